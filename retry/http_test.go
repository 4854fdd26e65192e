package retry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/retry"
)

func response(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestHTTPError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		class  retry.Class
		final  bool
		text   string
	}{
		{200, "", false, ""},
		{204, "", false, ""},
		{301, retry.InvalidData, true, "301 Moved Permanently: why"},
		{400, retry.InvalidData, true, "400 Bad Request: why"},
		{401, retry.Authentication, true, "401 Unauthorized: the server refuses the credentials"},
		{403, retry.Authentication, true, "403 Forbidden: the server refuses the credentials"},
		{404, retry.InvalidData, true, "404 Not Found: why"},
		{408, "", false, "408 Request Timeout: why"},
		{409, "", false, "409 Conflict: why"},
		{413, retry.InvalidData, true, "413 Request Entity Too Large: why"},
		{422, retry.InvalidData, true, "422 Unprocessable Entity: why"},
		{429, retry.RateLimited, false, "429 Too Many Requests: why"},
		{499, retry.InvalidData, true, "499: why"},
		{500, "", false, "500 Internal Server Error: why"},
		{503, "", false, "503 Service Unavailable: why"},
		{529, "", false, "529: why"},
	} {
		t.Run(http.StatusText(c.status), func(t *testing.T) {
			t.Parallel()
			res := response(c.status, "why")
			defer res.Body.Close()
			err := retry.HTTPError(res)
			if c.text == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.text)
			class, _ := retry.ClassOf(err)
			require.Equal(t, c.class, class)
			require.Equal(t, c.final, class.Final())
		})
	}
}

func TestHTTPErrorRetryAfter(t *testing.T) {
	t.Parallel()
	const date = "Wed, 21 Oct 2026 07:28:00 GMT"
	inAMinute := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		name   string
		status int
		header []string
		least  time.Duration
		most   time.Duration
	}{
		{"seconds", 429, []string{"Retry-After", "7"}, 7 * time.Second, 7 * time.Second},
		{"5xx", 503, []string{"Retry-After", "7"}, 7 * time.Second, 7 * time.Second},
		{"date by the server's clock", 429, []string{"Date", date, "Retry-After", "Wed, 21 Oct 2026 07:28:30 GMT"}, 30 * time.Second, 30 * time.Second},
		{"date by our clock", 429, []string{"Retry-After", inAMinute}, 50 * time.Second, time.Minute},
		{"too long", 429, []string{"Retry-After", "86400"}, retry.MaxRetryAfter, retry.MaxRetryAfter},
		{"much too long", 429, []string{"Retry-After", "99999999999999999999999"}, retry.MaxRetryAfter, retry.MaxRetryAfter},
		{"date too far ahead", 429, []string{"Date", date, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}, retry.MaxRetryAfter, retry.MaxRetryAfter},
		{"none", 429, nil, 0, 0},
		{"zero", 429, []string{"Retry-After", "0"}, 0, 0},
		{"negative", 429, []string{"Retry-After", "-7"}, 0, 0},
		{"past", 429, []string{"Date", date, "Retry-After", "Wed, 21 Oct 2026 07:27:00 GMT"}, 0, 0},
		{"neither form", 429, []string{"Retry-After", "soon"}, 0, 0},
		{"final", 400, []string{"Retry-After", "7"}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var app *temporal.ApplicationError
			res := response(c.status, "", c.header...)
			defer res.Body.Close()
			err := retry.Classify(retry.HTTPError(res))
			require.ErrorAs(t, err, &app)
			require.GreaterOrEqual(t, app.NextRetryDelay(), c.least)
			require.LessOrEqual(t, app.NextRetryDelay(), c.most)
			require.Equal(t, c.status == 400, app.NonRetryable())
		})
	}
}

func TestHTTPErrorBody(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	request.Header.Set("Authorization", "Bearer sk-secret")
	request.Header.Set("X-Api-Key", "other secret")
	request.Header.Set("Cookie", "")
	for _, c := range []struct {
		name string
		body io.Reader
		want string
	}{
		{"none", nil, "500 Internal Server Error"},
		{"empty", strings.NewReader(""), "500 Internal Server Error"},
		{"lines", strings.NewReader("<html>\r\n\t<b>bad\x1b[31m\x00</b>\n"), "500 Internal Server Error: <html> <b>bad [31m </b>"},
		{"not UTF-8", strings.NewReader("a\xff\xfeb"), "500 Internal Server Error: a\uFFFDb"},
		{"credentials", strings.NewReader("key sk-secret, Bearer sk-secret, other secret"), "500 Internal Server Error: key [removed], [removed], [removed]"},
		{"long", strings.NewReader(strings.Repeat("é", 1<<20)), "500 Internal Server Error: " + strings.Repeat("é", 200) + "…"},
		{"cut", io.MultiReader(strings.NewReader("half"), errReader{}), "500 Internal Server Error: half"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res := &http.Response{StatusCode: http.StatusInternalServerError, Request: request}
			if c.body != nil {
				res.Body = io.NopCloser(c.body)
			}
			require.EqualError(t, retry.HTTPError(res), c.want)
		})
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

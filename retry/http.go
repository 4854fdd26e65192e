package retry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// MaxRetryAfter is the longest delay that [HTTPError] takes over from a
// server.
const MaxRetryAfter = 10 * time.Minute

// HTTPError returns nil for a response with a status of 2xx, and for any other
// an error whose class says whether the request is worth repeating:
//
//	401, 403         Authentication   final
//	429              RateLimited      retried
//	408, 409, 5xx    none             retried
//	others           InvalidData      final
//
// An error that is retried has the delay of the response's Retry-After header,
// given in seconds or as an HTTP date (RFC 9110, section 10.2.3), if it has one
// that lies ahead: at most [MaxRetryAfter]. A request without any response, the
// error of [http.Client.Do], needs no class: it is retried.
//
// The text is the status and the beginning of the body, which HTTPError reads
// but does not close. Credentials in the request's headers are taken out of it;
// of a refusal of credentials the body is left out, for servers quote parts of
// them there.
func HTTPError(res *http.Response) error {
	status := res.StatusCode
	text := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	class := InvalidData
	switch {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Authentication.Errorf("%s: the server refuses the credentials", text)
	case status == http.StatusTooManyRequests:
		class = RateLimited
	case status == http.StatusRequestTimeout || status == http.StatusConflict || status >= 500:
		class = ""
	}
	if body := excerpt(res); body != "" {
		text += ": " + body
	}
	err := errors.New(text)
	if class != "" {
		err = class.Wrap(err)
	}
	if delay := retryAfter(res.Header, time.Now()); delay > 0 && !class.Final() {
		return After(delay, err)
	}
	return err
}

// retryAfter returns the delay that a header asks for, 0 for none. Dates are
// compared with the server's own clock where it tells it.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	// A number out of range is the largest one.
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(MaxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, min(at.Sub(now), MaxRetryAfter))
}

const (
	maxBodyRead = 4 << 10 // bytes of an error's body that are looked at
	maxExcerpt  = 400     // bytes of it in the text
)

// excerpt returns the beginning of the body in one line.
func excerpt(res *http.Response) string {
	if res.Body == nil {
		return ""
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxBodyRead)) // what arrived says enough
	text := strings.ToValidUTF8(string(body), "\uFFFD")
	if res.Request != nil {
		for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Api-Key", "X-Api-Key"} {
			for _, value := range res.Request.Header.Values(name) {
				_, token, _ := strings.Cut(value, " ") // without the scheme
				for _, secret := range []string{value, token} {
					if secret != "" {
						text = strings.ReplaceAll(text, secret, "[removed]")
					}
				}
			}
		}
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) <= maxExcerpt {
		return text
	}
	return strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
}

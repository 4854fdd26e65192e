package codec

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

func newKey(t testing.TB, id string) Key {
	t.Helper()
	k, err := NewKey(id)
	require.NoError(t, err)
	return k
}

func newKeys(t testing.TB, keys ...Key) *Keys {
	t.Helper()
	all, err := NewKeys(keys...)
	require.NoError(t, err)
	return all
}

func payload(text string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain")}, Data: []byte(text)}
}

func requireSame(t *testing.T, want, got *commonpb.Payload) {
	t.Helper()
	require.True(t, proto.Equal(want, got), "want %v, got %v", want, got)
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	e := Encryption(newKeys(t, newKey(t, "k1")))
	original := []*commonpb.Payload{payload(`"secret"`), payload(""), {}}
	before := proto.Clone(original[0])
	encoded, err := e.Encode(original)
	require.NoError(t, err)
	again, err := e.Encode(original)
	require.NoError(t, err)
	for i, p := range encoded {
		require.Equal(t, "binary/encrypted", string(p.GetMetadata()["encoding"]))
		require.Equal(t, "k1", string(p.GetMetadata()["encryption-key-id"]))
		require.NotContains(t, string(p.GetData()), "secret")
		require.NotEqual(t, again[i].GetData(), p.GetData(), "each has a nonce of its own")
	}
	decoded, err := e.Decode(encoded)
	require.NoError(t, err)
	for i := range original {
		requireSame(t, original[i], decoded[i])
	}
	requireSame(t, before.(*commonpb.Payload), original[0])

	clear, err := e.Decode(original[:1])
	require.NoError(t, err)
	requireSame(t, original[0], clear[0])
}

// A key is changed while payloads of the old one are still read.
func TestRotation(t *testing.T) {
	t.Parallel()
	old, next := newKey(t, "2025"), newKey(t, "2026")
	encode := func(keys ...Key) *commonpb.Payload {
		p, err := Encryption(newKeys(t, keys...)).Encode([]*commonpb.Payload{payload("x")})
		require.NoError(t, err)
		return p[0]
	}
	decode := func(p *commonpb.Payload, keys ...Key) error {
		got, err := Encryption(newKeys(t, keys...)).Decode([]*commonpb.Payload{p})
		if err == nil {
			requireSame(t, payload("x"), got[0])
		}
		return err
	}
	before, between, after := encode(old), encode(old, next), encode(next, old)
	for _, p := range []*commonpb.Payload{before, between, after} {
		require.NoError(t, decode(p, old, next))
		require.NoError(t, decode(p, next, old))
	}
	require.Equal(t, "2025", string(between.GetMetadata()[metadataKeyID]))
	require.Equal(t, "2026", string(after.GetMetadata()[metadataKeyID]))
	require.EqualError(t, decode(before, next), `decrypt payload: its key is "2025", but the keys here are ["2026"]`)

	impostor := newKey(t, "2025")
	require.EqualError(t, decode(before, impostor), `decrypt payload: it was not encrypted with the key "2025", or was changed since`)
	before.Data[len(before.Data)-1] ^= 1
	require.ErrorContains(t, decode(before, old), "or was changed since")
	before.Data = before.Data[:5]
	require.EqualError(t, decode(before, old), "decrypt payload: it has 5 bytes, less than the 12 of a nonce")
}

func TestCompression(t *testing.T) {
	t.Parallel()
	c := Compression()
	original := []*commonpb.Payload{payload(strings.Repeat("ACGT", 1000)), payload("x")}
	encoded, err := c.Encode(original)
	require.NoError(t, err)
	require.Less(t, len(encoded[0].GetData()), 200)
	requireSame(t, original[1], encoded[1])
	decoded, err := c.Decode(encoded)
	require.NoError(t, err)
	requireSame(t, original[0], decoded[0])

	for want, data := range map[string][]byte{
		"unexpected EOF":       nil,
		"zlib: invalid header": []byte("not zlib at all"),
		fmt.Sprintf("become more than %d", MaxDecompressed): bomb(t, MaxDecompressed+1),
	} {
		_, err := c.Decode([]*commonpb.Payload{{Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/zlib")}, Data: data}})
		require.ErrorContains(t, err, want)
	}
}

// bomb compresses n zeros.
func bomb(t *testing.T, n int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	_, err := w.Write(make([]byte, n))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.Bytes()
}

func TestReadKeys(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString(make([]byte, KeyBytes))
	short := base64.StdEncoding.EncodeToString(make([]byte, 16))
	cases := map[string]struct{ text, err string }{
		"two":            {"# new\nk2 " + key + "\n\nk1   " + key + "\n", ""},
		"none":           {"# nothing\n", "no keys: want at least one"},
		"no key":         {"k1\n", "line 1: want an id, a space and a key in base64"},
		"not base64":     {"\nk1 sesame!\n", "line 2: want 32 bytes in base64 behind the id"},
		"short":          {"k1 " + short, "line 1: want 32 bytes in base64 behind the id"},
		"twice":          {"k1 " + key + "\nk1 " + key, `key "k1" is there twice`},
		"unprintable id": {"k\x00 " + key, `key "k\x00": want an id of 1 to 64 printable characters without spaces`},
		"huge":           {strings.Repeat("#", maxKeyFile+1), "65537 bytes, more than the 65536 of any file of keys"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
			keys, err := ReadKeys(path)
			if c.err != "" {
				require.EqualError(t, err, path+": "+c.err)
				require.NotContains(t, err.Error(), "sesame")
				return
			}
			require.NoError(t, err)
			require.Equal(t, "k2", keys.current)
			require.Len(t, keys.ciphers, 2)
		})
	}
	_, err := ReadKeys("none")
	require.ErrorIs(t, err, os.ErrNotExist)

	k := newKey(t, "mine")
	one, err := parseKeys([]byte(k.Line()))
	require.NoError(t, err)
	require.Equal(t, "mine", one.current)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(format, k), fmt.Sprint(k.Bytes[0])+" "+fmt.Sprint(k.Bytes[1]))
	}
}

func TestFromEnvironment(t *testing.T) {
	none, err := FromEnvironment()
	require.NoError(t, err)
	require.Empty(t, none)
	var o client.Options
	Apply(&o, none...)
	require.Nil(t, o.DataConverter)
	require.Nil(t, o.FailureConverter)

	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte(newKey(t, "k").Line()), 0o600))
	t.Setenv(KeysVariable, path)
	t.Setenv(CompressionVariable, "true")
	both, err := FromEnvironment()
	require.NoError(t, err)
	require.Len(t, both, 2)
	Apply(&o, both...)
	long := strings.Repeat("long", 1000)
	p, err := o.DataConverter.ToPayload(long)
	require.NoError(t, err)
	require.Equal(t, encodingEncrypted, string(p.GetMetadata()[converter.MetadataEncoding]), "encrypted last")
	require.Less(t, len(p.GetData()), 500, "compressed first")
	var back string
	require.NoError(t, o.DataConverter.FromPayload(p, &back))
	require.Equal(t, long, back)

	failure := o.FailureConverter.ErrorToFailure(errors.New("cell 7 of patient X"))
	require.NotContains(t, failure.String(), "patient")
	require.EqualError(t, o.FailureConverter.FailureToError(failure), "cell 7 of patient X")

	t.Setenv(CompressionVariable, "perhaps")
	_, err = FromEnvironment()
	require.EqualError(t, err, `TROUPE_PAYLOAD_COMPRESSION is "perhaps": want true or false`)
	t.Setenv(KeysVariable, "none")
	_, err = FromEnvironment()
	require.ErrorContains(t, err, "TROUPE_PAYLOAD_KEYS: open none")
}

func TestHandler(t *testing.T) {
	t.Parallel()
	e := Encryption(newKeys(t, newKey(t, "k")))
	const ui = "http://localhost:8233"
	open := Handler(ServerOptions{Origins: []string{ui}}, e)
	closed := Handler(ServerOptions{Origins: []string{ui}, Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer me" {
			return errors.New("who are you?")
		}
		return nil
	}}, e)
	request := func(h http.Handler, method, path, origin, authorization, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		for name, value := range map[string]string{"Origin": origin, "Authorization": authorization} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	const clear = `{"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "InNlY3JldCI="}]}`

	w := request(open, http.MethodPost, "/encode", ui, "", clear)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, ui, w.Header().Get("Access-Control-Allow-Origin"))
	encoded := w.Body.String()
	require.NotContains(t, encoded, "InNlY3JldCI=")
	w = request(open, http.MethodPost, "/any/prefix/decode", "", "", encoded)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, clear, w.Body.String())

	w = request(closed, http.MethodOptions, "/decode", ui, "", "")
	require.Equal(t, http.StatusNoContent, w.Code, "browsers ask without the token")
	require.Equal(t, "Authorization, Content-Type, X-Namespace", w.Header().Get("Access-Control-Allow-Headers"))
	require.Equal(t, "true", w.Header().Get("Access-Control-Allow-Credentials"))

	for name, c := range map[string]struct {
		w      *httptest.ResponseRecorder
		status int
	}{
		"another page asks first": {request(open, http.MethodOptions, "/decode", "http://evil.example", "", ""), 403},
		"another page":            {request(open, http.MethodPost, "/decode", "http://evil.example", "", encoded), 403},
		"no token":                {request(closed, http.MethodPost, "/decode", ui, "", encoded), 401},
		"token":                   {request(closed, http.MethodPost, "/decode", ui, "Bearer me", encoded), 200},
		"not JSON":                {request(open, http.MethodPost, "/decode", ui, "", "{"), 400},
		"another path":            {request(open, http.MethodPost, "/", ui, "", encoded), 404},
		"a GET":                   {request(open, http.MethodGet, "/decode", ui, "", ""), 404},
		"too large":               {request(open, http.MethodPost, "/decode", ui, "", strings.Repeat(" ", maxBody+1)), 400},
	} {
		require.Equal(t, c.status, c.w.Code, name)
	}
}

// FuzzDecode: whatever a payload holds, it is decoded or refused.
func FuzzDecode(f *testing.F) {
	keys := newKeys(f, Key{ID: "k", Bytes: make([]byte, KeyBytes)})
	codecs := []converter.PayloadCodec{Encryption(keys), Compression()}
	for _, c := range codecs {
		p, err := c.Encode([]*commonpb.Payload{payload(strings.Repeat("x", 100))})
		require.NoError(f, err)
		f.Add(string(p[0].GetMetadata()["encoding"]), p[0].GetData())
	}
	f.Fuzz(func(_ *testing.T, encoding string, data []byte) {
		for _, c := range codecs {
			_, _ = c.Decode([]*commonpb.Payload{{Metadata: map[string][]byte{
				converter.MetadataEncoding: []byte(encoding), metadataKeyID: []byte("k"),
			}, Data: data}})
		}
	})
}

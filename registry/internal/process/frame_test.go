package process

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stream is a connection that reads what a test has written.
func stream(data []byte) *Conn { return NewConn(io.NopCloser(bytes.NewReader(data)), nil) }

func frame(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestFramesTravel(t *testing.T) {
	r, w := io.Pipe()
	one, two := NewConn(r, nil), NewConn(nil, w)
	sent := []Message{
		{Type: TypeHello, Hello: &Hello{Protocol: Version, Agent: "a", Instance: 1, Device: "cuda:1", Memory: 1 << 40, Nice: -3}},
		{Type: TypeDrain, Left: -1},
		{Type: TypeStatus, Status: json.RawMessage(`{"agent":"a"}`)},
		{Type: TypeLog, Record: &Record{Time: time.Unix(1, 0).UTC(), Level: -4, Message: "größer\n", Attrs: []Attr{{"k", "v"}, {"n", 1.0}}}},
		{Type: TypeMetrics, ID: 7, Metrics: bytes.Repeat([]byte{0, 255}, 1<<19)},
		{Type: TypeBye, Error: "boom", Final: true},
	}
	go func() {
		for _, m := range sent {
			if err := two.Send(m); err != nil {
				t.Error(err)
			}
		}
		_ = w.Close()
	}()
	for _, want := range sent {
		got, err := one.Receive()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := one.Receive()
	require.ErrorIs(t, err, io.EOF)
}

func TestGarbledFrames(t *testing.T) {
	for want, data := range map[string][]byte{
		"the stream ends within a frame's length":                                             {0, 0},
		"the stream ends after 3 of a frame's 10 bytes":                                       append(binary.BigEndian.AppendUint32(nil, 10), "abc"...),
		"a frame of 4294967295 bytes, more than 4194304":                                      {255, 255, 255, 255, 1},
		"a frame of 0 bytes that is no message":                                               frame(""),
		"a frame of 2 bytes without a type":                                                   frame("{}"),
		"a frame of 4 bytes without a type":                                                   frame("null"),
		"a frame of 8 bytes that is no message":                                               frame("not JSON"),
		"a frame of 11 bytes that is no message":                                              frame(`{"type": 7}`),
		"a frame of 34 bytes that is no message":                                              frame(`{"type": "ping", "id": 1e300}     `),
		"a frame of 14 bytes that is no message: invalid":                                     frame(`{"type": "a"}{`),
		"a frame of 20000 bytes that is no message: invalid character '[' exceeded max depth": frame(strings.Repeat("[", 20000)),
	} {
		_, err := stream(data).Receive()
		var garbled *FrameError
		require.ErrorAs(t, err, &garbled, want)
		require.ErrorContains(t, err, want)
	}
	m, err := stream(frame(`{"type": "of a later version", "colour": "blue"}`)).Receive()
	require.NoError(t, err)
	require.Equal(t, Type("of a later version"), m.Type)
}

func TestOversizedMessageIsNotSent(t *testing.T) {
	var out closableBuffer
	err := NewConn(nil, &out).Send(Message{Type: TypeMetrics, Metrics: make([]byte, MaxFrame)})
	require.ErrorContains(t, err, `message "metrics" has 5592`)
	require.Zero(t, out.Len())
}

type closableBuffer struct{ bytes.Buffer }

func (*closableBuffer) Close() error { return nil }

func TestReceiveHello(t *testing.T) {
	for want, body := range map[string]string{
		`the first message is "ping", not hello`:                           `{"type": "ping"}`,
		`the first message is "hello", not hello`:                          `{"type": "hello"}`,
		"(module version v1.2.3) speaks version 2 of the protocol between": `{"type": "hello", "hello": {"protocol": 2, "module": "v1.2.3"}}`,
	} {
		_, err := ReceiveHello(stream(frame(body)))
		require.ErrorContains(t, err, want)
	}
	h, err := ReceiveHello(stream(frame(`{"type": "hello", "hello": {"protocol": 1, "agent": "a"}}`)))
	require.NoError(t, err)
	require.Equal(t, Hello{Protocol: 1, Agent: "a"}, h)
}

// FuzzReceive: whatever arrives is a message, the end, or an error that says
// what is wrong; and a message can be sent on.
func FuzzReceive(f *testing.F) {
	for _, body := range []string{`{"type":"ping","id":1}`, `{"type":"log","record":{"attrs":[{"k":"a","v":[1]}]}}`, "{}", ""} {
		f.Add(frame(body))
	}
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := stream(data)
		for range len(data)/4 + 2 {
			m, err := c.Receive()
			var garbled *FrameError
			switch {
			case err == nil:
				var again closableBuffer
				if err := NewConn(nil, &again).Send(m); err != nil && !strings.Contains(err.Error(), "more than") {
					t.Fatalf("%+v cannot be sent: %v", m, err)
				}
			case errors.Is(err, io.EOF), errors.As(err, &garbled):
				return
			default:
				t.Fatal(err)
			}
		}
		t.Fatal("more frames than bytes for them")
	})
}

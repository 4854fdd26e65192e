package process

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxFrame is the largest message, encoded: metrics are the longest.
const MaxFrame = 4 << 20

// FrameError says that what arrived is no frame of this protocol.
type FrameError struct{ Reason string }

func (e *FrameError) Error() string { return e.Reason }

// Conn is one end of the two pipes. Send may be called by several goroutines,
// Receive by one.
type Conn struct {
	r io.ReadCloser
	w io.WriteCloser

	mu  sync.Mutex
	buf bytes.Buffer
}

// NewConn returns a connection that reads from r and writes to w, and owns both.
func NewConn(r io.ReadCloser, w io.WriteCloser) *Conn { return &Conn{r: r, w: w} }

// Close closes both pipes.
func (c *Conn) Close() error { return errors.Join(c.w.Close(), c.r.Close()) }

// Send writes a message. It waits while the pipe is full.
func (c *Conn) Send(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.Reset()
	c.buf.Write(make([]byte, 4))
	if err := json.NewEncoder(&c.buf).Encode(m); err != nil {
		return fmt.Errorf("message %q: %w", m.Type, err)
	}
	frame := c.buf.Bytes()
	n := len(frame) - 4
	if n > MaxFrame {
		return fmt.Errorf("message %q has %d bytes, more than %d", m.Type, n, MaxFrame)
	}
	binary.BigEndian.PutUint32(frame, uint32(n))
	_, err := c.w.Write(frame) // at once: frames of several senders do not mix
	return err
}

// Receive reads the next message. The error is io.EOF if the other end is
// closed, and a *FrameError for anything that is no message.
func (c *Conn) Receive() (Message, error) {
	var head [4]byte
	if n, err := io.ReadFull(c.r, head[:]); err != nil {
		if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return Message{}, &FrameError{"the stream ends within a frame's length"}
		}
		return Message{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return Message{}, &FrameError{fmt.Sprintf("a frame of %d bytes, more than %d: %q", n, MaxFrame, head)}
	}
	// The memory grows with what arrives, not with what is announced.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, c.r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			return Message{}, &FrameError{fmt.Sprintf("the stream ends after %d of a frame's %d bytes", body.Len(), n)}
		}
		return Message{}, err
	}
	return decode(body.Bytes())
}

func decode(body []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return Message{}, &FrameError{fmt.Sprintf("a frame of %d bytes that is no message: %v", len(body), err)}
	}
	if m.Type == "" {
		return Message{}, &FrameError{fmt.Sprintf("a frame of %d bytes without a type", len(body))}
	}
	return m, nil
}

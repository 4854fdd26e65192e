package process

import (
	"fmt"
	"os"
	"sync"
)

// pipesVariable tells a child which pipes it has inherited, as "READ:WRITE". It
// is removed as soon as the program begins, so that the child's own children
// do not take themselves for one.
const pipesVariable = "TROUPE_PARENT_PIPES"

// pipes are the handles that the parent left, before anything else of the
// program runs: another child made meanwhile must not inherit them.
var pipes = func() string {
	value := os.Getenv(pipesVariable)
	if value != "" {
		_ = os.Unsetenv(pipesVariable)
		var r, w uintptr
		if scanPipes(value, &r, &w) == nil {
			keepFromChildren(r)
			keepFromChildren(w)
		}
	}
	return value
}()

func scanPipes(value string, r, w *uintptr) error {
	if _, err := fmt.Sscanf(value, "%d:%d", r, w); err != nil {
		return fmt.Errorf("%s=%q: want the handles of two pipes, READ:WRITE", pipesVariable, value)
	}
	return nil
}

// IsChild reports whether the program was started as somebody's child.
func IsChild() bool { return pipes != "" }

// Parent returns the connection to the parent and what the parent said. ok is
// false in a program that is nobody's child.
func Parent() (c *Conn, hello Hello, ok bool, err error) {
	if !IsChild() {
		return nil, Hello{}, false, nil
	}
	p := parent()
	return p.conn, p.hello, true, p.err
}

type introduced struct {
	conn  *Conn
	hello Hello
	err   error
}

var parent = sync.OnceValue(func() (p introduced) {
	var r, w uintptr
	if p.err = scanPipes(pipes, &r, &w); p.err != nil {
		return p
	}
	p.conn = NewConn(openPipe(r, "from the parent"), openPipe(w, "to the parent"))
	p.hello, p.err = ReceiveHello(p.conn)
	if p.err != nil {
		p.err = fmt.Errorf("no word from the parent: %w", p.err)
	}
	return p
})

// ReceiveHello reads the other side's hello.
func ReceiveHello(c *Conn) (Hello, error) {
	m, err := c.Receive()
	if err != nil {
		return Hello{}, err
	}
	if m.Type != TypeHello || m.Hello == nil {
		return Hello{}, &FrameError{fmt.Sprintf("the first message is %q, not hello", m.Type)}
	}
	if m.Hello.Protocol != Version {
		return Hello{}, &VersionError{Other: m.Hello.Protocol, Module: m.Hello.Module}
	}
	return *m.Hello, nil
}

// VersionError says that parent and child were built from versions of this
// module that do not understand each other.
type VersionError struct {
	Other  int
	Module string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the other side (module version %s) speaks version %d of the protocol between processes, this one version %d: build both from one version of the module", e.Module, e.Other, Version)
}

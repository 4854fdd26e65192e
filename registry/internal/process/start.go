package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Spec says what to start.
type Spec struct {
	Path string
	Args []string
	// Env is the whole environment, "KEY=value" each.
	Env []string
	Dir string
	// Output takes what the child writes to standard output and standard
	// error; nil discards it.
	Output io.Writer
	// Memory limits the child, in bytes; 0 is no limit.
	Memory int64
	// Nice and Idle are the child's priority, as in Hello.
	Nice int
	Idle bool
}

// Child is a running or ended child.
type Child struct {
	*Conn
	PID int
	// Limit says what keeps the memory limit: "cgroup", "job", "rlimit" where
	// the child is to set it itself, "" where nothing does.
	Limit string

	os     *system
	tail   *Tail
	exited chan struct{}
	err    error
}

// outputDelay is how long an ended child's output may be held open by processes
// that the child has left.
const outputDelay = time.Second

// Start starts a child. The caller closes the connection, waits for Exited, and
// sends the first hello.
func Start(s Spec) (*Child, error) {
	c, inGroup, err := start(s, true)
	if err != nil && inGroup {
		// A kernel before 5.7, or a filter of system calls, lets one make a group but
		// start nothing in it.
		c, _, err = start(s, false)
	}
	return c, err
}

// start starts a child, in a cgroup if grouped is true and there is one to be had.
func start(s Spec, grouped bool) (child *Child, inGroup bool, err error) {
	cmd := exec.Command(s.Path, s.Args...)
	c := &Child{tail: NewTail(s.Output), exited: make(chan struct{})}
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = s.Env, s.Dir, c.tail, c.tail, outputDelay

	toChild, toChildW, err := os.Pipe()
	if err != nil {
		return nil, false, fmt.Errorf("pipe: %w", err)
	}
	fromChild, fromChildW, err := os.Pipe()
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("pipe: %w", err), toChild.Close(), toChildW.Close())
	}
	defer toChild.Close()
	defer fromChildW.Close()
	c.Conn = NewConn(fromChild, toChildW)

	c.os, err = newSystem(cmd, s.Memory, grouped)
	if err != nil {
		return nil, false, errors.Join(err, c.Close())
	}
	c.Limit = c.os.limit()
	handles, err := bequeath(cmd, toChild, fromChildW)
	if err != nil {
		return nil, false, errors.Join(err, c.Close(), c.os.close())
	}
	cmd.Env = append(cmd.Env, pipesVariable+"="+handles)

	started := make(chan error)
	go c.run(cmd, s, started)
	if err := <-started; err != nil {
		return nil, c.os.grouped(), errors.Join(fmt.Errorf("start %s: %w", s.Path, err), c.Close())
	}
	c.PID = cmd.Process.Pid
	return c, c.os.grouped(), nil
}

// run starts the child and waits for its end, on a thread of its own: on Linux
// the child is killed when the thread that started it ends, and a thread that a
// goroutine shares with others may end at any time.
func (c *Child) run(cmd *exec.Cmd, s Spec, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		err = c.os.adopt(cmd.Process)
		if err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	if err != nil {
		started <- errors.Join(err, c.os.close())
		return
	}
	_ = prioritize(cmd.Process.Pid, s) // the child does so too, and tells
	started <- nil
	err = cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	// What the child itself has started goes with it.
	c.os.kill()
	c.err = err
	if reason := c.os.outOfMemory(); reason != "" {
		c.err = fmt.Errorf("%s (%s)", describe(err), reason)
	}
	_ = c.os.close()
	close(c.exited)
}

// Exited is closed when the child is gone.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// Exit describes how the child ended; it may be called after Exited is closed.
func (c *Child) Exit() string { return describe(c.err) }

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// Output returns the last lines that the child wrote.
func (c *Child) Output() string { return c.tail.String() }

// Kill ends the child, and what it has started, at once.
func (c *Child) Kill() {
	select {
	case <-c.exited:
	default:
		c.os.kill()
	}
}

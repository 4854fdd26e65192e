//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// system is what a child needs of the operating system. It leads a process
// group of its own: a Ctrl-C at the terminal reaches the parent only, which
// then tells its children, and a kill reaches what the child has started.
type system struct {
	pid   int
	group *cgroup
	bytes int64
}

// newGroup is newCgroup, or what stands for it in a test.
var newGroup = newCgroup

func newSystem(cmd *exec.Cmd, memory int64, grouped bool) (*system, error) {
	s := &system{bytes: memory}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	if memory > 0 && grouped {
		// Where there is no cgroup to be had, the child limits itself.
		s.group, _ = newGroup(memory)
		s.group.place(cmd.SysProcAttr)
	}
	return s, nil
}

// grouped reports whether the child is to start in a cgroup.
func (s *system) grouped() bool { return s.group != nil }

func (s *system) limit() string {
	switch {
	case s.group != nil:
		return "cgroup"
	case s.bytes > 0 && canLimit:
		return "rlimit"
	default:
		return ""
	}
}

func (s *system) adopt(p *os.Process) error {
	s.pid = p.Pid
	return nil
}

// kill may find nobody. A group of 0 would be that of this process.
func (s *system) kill() {
	if s.pid > 0 {
		_ = syscall.Kill(-s.pid, syscall.SIGKILL)
	}
}

func (s *system) outOfMemory() string { return s.group.outOfMemory() }

func (s *system) close() error { return s.group.remove() }

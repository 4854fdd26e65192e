package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// system is what a child needs of the operating system: a job object, which
// ends the child and what it has started when its last handle is closed, as it
// is when the parent is gone.
type system struct {
	job   windows.Handle
	bytes int64
}

func newSystem(cmd *exec.Cmd, memory int64, _ bool) (*system, error) {
	// A Ctrl-C at the console reaches the parent only, which then tells its
	// children.
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make job object: %w", err)
	}
	s := &system{job: job, bytes: memory}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if memory > 0 {
		limits.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_JOB_MEMORY
		limits.JobMemoryLimit = uintptr(memory)
	}
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return nil, errors.Join(fmt.Errorf("limit job object: %w", err), s.close())
	}
	return s, nil
}

func (s *system) grouped() bool { return false }

func (s *system) limit() string {
	if s.bytes > 0 {
		return "job"
	}
	return ""
}

// adopt puts the child into the job. It does no work before it has heard of its
// parent, which comes later.
func (s *system) adopt(p *os.Process) error {
	var failed error
	err := p.WithHandle(func(h uintptr) {
		failed = windows.AssignProcessToJobObject(s.job, windows.Handle(h))
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("put process into its job object: %w", err)
	}
	return nil
}

func (s *system) kill() { _ = windows.TerminateJobObject(s.job, 1) }

func (s *system) outOfMemory() string { return "" }

func (s *system) close() error { return windows.CloseHandle(s.job) }

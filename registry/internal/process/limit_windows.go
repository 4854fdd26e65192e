package process

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// LimitMemory does nothing: the job object has the limit.
func LimitMemory(int64) error { return nil }

// SetNice sets the priority class that comes next to a niceness.
func SetNice(n int) error {
	class := uint32(windows.NORMAL_PRIORITY_CLASS)
	switch {
	case n >= 10:
		class = windows.IDLE_PRIORITY_CLASS
	case n > 0:
		class = windows.BELOW_NORMAL_PRIORITY_CLASS
	case n < 0:
		class = windows.ABOVE_NORMAL_PRIORITY_CLASS
	}
	if err := windows.SetPriorityClass(windows.CurrentProcess(), class); err != nil {
		return fmt.Errorf("set priority class of niceness %d: %w", n, err)
	}
	return nil
}

func resident() int64 { return 0 }

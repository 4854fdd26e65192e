package process

import (
	"fmt"
	"unsafe"

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

// SetIdle has this process run only while nobody else wants the processor.
func SetIdle() error { return SetNice(lowest) }

// lowest is a niceness of the priority class idle.
const lowest = 19

// prioritize does nothing: a child sets its own priority.
func prioritize(int, Spec) error { return nil }

// resident is the working set of this process.
func resident() int64 {
	// PROCESS_MEMORY_COUNTERS of psapi.h.
	var counters struct {
		size, pageFaults                                                                        uint32
		peakWorkingSet, workingSet, peakPagedPool, pagedPool, peakNonPaged, nonPaged, page, top uintptr
	}
	counters.size = uint32(unsafe.Sizeof(counters))
	ok, _, _ := getProcessMemoryInfo.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&counters)), uintptr(counters.size))
	if ok == 0 {
		return 0
	}
	return int64(counters.workingSet)
}

var getProcessMemoryInfo = windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")

package process

import "runtime"

// CurrentUsage is that of this process.
func CurrentUsage() *Usage {
	return &Usage{Resident: resident(), Goroutines: runtime.NumGoroutine()}
}

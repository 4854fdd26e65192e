//go:build unix

package main

import (
	"runtime"
	"syscall"
)

// peakRSS returns the largest resident set of the process so far, in MB.
func peakRSS() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	unit := int64(1024)
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		unit = 1 // macOS counts bytes
	}
	return float64(u.Maxrss) * float64(unit) / 1e6
}

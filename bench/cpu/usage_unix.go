//go:build unix

package main

import (
	"runtime"
	"syscall"
	"time"
)

// used is what the process has used so far.
type used struct {
	cpu   float64 // seconds
	rssMB float64 // at its peak
}

func usage() used {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return used{}
	}
	kb := float64(r.Maxrss)
	if runtime.GOOS == "darwin" {
		kb /= 1024
	}
	return used{(time.Duration(r.Utime.Nano()) + time.Duration(r.Stime.Nano())).Seconds(), kb / 1024}
}

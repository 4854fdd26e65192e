//go:build amd64 && !linux && !noasm

package kernel

import "errors"

// requestAMX is for Linux alone.
func requestAMX() error { return errors.ErrUnsupported }

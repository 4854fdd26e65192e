//go:build !linux

package registry

func withoutDeathSignal() error { return nil }

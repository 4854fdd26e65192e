//go:build unix && !linux

package registry

func withoutDeathSignal() error { return nil }

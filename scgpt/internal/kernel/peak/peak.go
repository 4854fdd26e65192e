//go:build amd64 && !noasm

// Package peak holds loops that do as much arithmetic as a core can: the
// measure for the kernels' speed. Nothing but its benchmark runs them:
//
//	go test -bench . ./scgpt/internal/kernel/peak
package peak

//go:generate env GOWORK=off go -C ../gen run . -set peak -pkg peak -out ../peak/peak_amd64.s -stubs ../peak/peak_amd64.go

#!/usr/bin/env bash
# Tests the arm64 kernels and the device over them, on any Linux machine with
# qemu-aarch64 (Debian's package qemu-user):
#   scripts/test_arm64.sh
set -euo pipefail
cd "$(dirname "$0")/../scgpt"
if ! command -v qemu-aarch64 >/dev/null; then
	echo "qemu-aarch64 is not installed; it is in Debian's and Ubuntu's package qemu-user" >&2
	exit 1
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export CGO_ENABLED=0 GOOS=linux GOARCH=arm64
go vet ./compute/cpu ./internal/kernel
go test -c -o "$dir/kernel.test" ./internal/kernel
go test -c -o "$dir/cpu.test" ./compute/cpu
(cd internal/kernel && qemu-aarch64 "$dir/kernel.test")
qemu-aarch64 "$dir/cpu.test" -test.run 'TestConformance/neon|TestOpen|TestFinish'

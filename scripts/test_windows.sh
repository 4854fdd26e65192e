#!/usr/bin/env bash
# Tests what differs on Windows, under Wine (see wine.sh):
#   scripts/test_windows.sh [MODULE_FOLDER PACKAGE...]
# Without arguments, it tests all packages of all modules but those that need a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
wine=$PWD/scripts/wine.sh
export CGO_ENABLED=0 GOOS=windows
"$wine" --start
trap '"$wine" --stop' EXIT
test_in() {
	(cd "$1" && shift && go test -exec "$wine" -timeout 10m "$@")
}
if [ $# -gt 0 ]; then
	test_in "$@"
else
	for module in . agent/devserver examples integration; do
		test_in "$module" ./...
	done
fi

#!/usr/bin/env bash
# Starts a server and a worker, and uses them from Python: scripts/interop.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
children=()
cleanup() {
	[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap cleanup EXIT

(cd "$root" && go build -o "$work/scgpt" ./examples/scgpt)
cp "$root/testdata/cells/pbmc68k_test.h5ad" "$work/cells.h5ad"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$work/scgpt" server --port "$port" --ui-port 0 >"$work/server.log" 2>&1 &
children+=($!)
for _ in $(seq 100); do
	grep -q 'Temporal server at' "$work/server.log" && break
	sleep 0.1
done
(cd "$root" && exec "$work/scgpt" worker --agents scgpt --address "127.0.0.1:$port" --roots "$work") >"$work/worker.log" 2>&1 &
children+=($!)

if ! "$root/scripts/python.sh" --with "$root/scripts/requirements-interop.txt" "$root/scripts/interop.py" "127.0.0.1:$port" "$work/cells.h5ad" "$work/out.h5ad"; then
	cat "$work/server.log" "$work/worker.log" >&2
	exit 1
fi

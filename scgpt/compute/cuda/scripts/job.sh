#!/usr/bin/env bash
# job.sh BIN OUT: the example on a GPU, with a parent that was built without CUDA.
# BIN as for measure.sh. It runs
#   - the demonstration: 200 labelled cells, in each precision;
#   - an analysis of cells.h5ad with a full-size model of random weights, once in
#     peace and once while its CUDA worker is killed twice: both must be
#     the same bytes.
# DEVICE, PRECISIONS and MODEL (a folder of one model) choose others, SHARD the cells
# of a shard (100), EVERY the seconds between two kills (4).
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 BIN OUT" >&2; exit 2; }
bin=$(cd "$1" && pwd)
need() {
	[ -e "$1" ] || { echo "job.sh: there is no $1" >&2; exit 2; }
}
need "$bin/scgpt"
need "$bin/troupe-cuda-worker"
need "$bin/cells.h5ad"
if [ -n "${MODEL:-}" ]; then
	need "$MODEL/args.json"
else
	need "$bin/bench"
	need "$bin/vocab.json"
fi
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/../../../.."
device=${DEVICE:-cuda:0}
export TROUPE_CUDA_WORKER=$bin/troupe-cuda-worker

for precision in ${PRECISIONS-fp32 tf32 bf16}; do
	began=$(date +%s%N)
	"$bin/scgpt" --device "$device" --precision "$precision" --out "$out/demo_$precision.h5ad" >"$out/demo_$precision.txt" 2>"$out/demo_$precision.err" ||
		{ cat "$out/demo_$precision.err" >&2; exit 1; }
	printf 'demonstration, %s: %d ms; ' "$precision" $((($(date +%s%N) - began) / 1000000))
	grep -i accuracy "$out/demo_$precision.txt" | head -1
done

model=$(realpath -m "${MODEL:-$out/models/full}")
if [ -z "${MODEL:-}" ]; then
	mkdir -p "$model"
	"$bin/bench" -precisions '' -keep-model "$model" -vocab "$bin/vocab.json"
fi
cp "$bin/cells.h5ad" "$out/cells.h5ad"
cd "$out"
export TEMPORAL_ADDRESS=localhost:7733
processes=()
finish() {
	# What the analysis waits in is a child of its shell.
	[ ${#processes[@]} -lt 3 ] || pkill -P "${processes[2]}" || true
	[ ${#processes[@]} = 0 ] || kill "${processes[@]}" 2>/dev/null || true
	wait
}
trap finish EXIT
trap 'exit 1' INT TERM
"$bin/scgpt" server --port 7733 --ui-port 7734 >server.txt 2>&1 &
processes+=($!)
"$bin/scgpt" worker --agents scgpt --device "$device" --models "$(dirname "$model")" >worker.txt 2>&1 &
processes+=($!)

began=$SECONDS
while true; do
	"$bin/scgpt" list >list.txt 2>&1 && grep -q '^scgpt .*ready' worker.txt && break
	if [ $((SECONDS - began)) -gt 60 ] || ! kill -0 "${processes[@]}" 2>/dev/null; then
		tail -n 5 server.txt worker.txt >&2
		echo 'job.sh: the server or the worker has ended, or is not ready within a minute' >&2
		exit 1
	fi
	sleep 0.1
done

analyse() { # analyse NAME: writes NAME.h5ad and prints the time that it took
	local began id
	began=$(date +%s%N)
	id=$("$bin/scgpt" start --operation embed_cells --data cells.h5ad --out "$1.h5ad" --no-memo --no-report --shard-cells "${SHARD:-100}")
	"$bin/scgpt" result --wait "$id" >"$1.txt"
	printf '%s: %d ms\n' "$1" $((($(date +%s%N) - began) / 1000000))
}
analyse warm
analyse peace
kills=0
analyse killed &
analysis=$!
processes+=($analysis)
# Twice: a shard has three attempts.
while [ $kills -lt 2 ] && sleep "${EVERY:-4}" && kill -0 $analysis 2>/dev/null; do
	pkill -9 -P "${processes[1]}" && kills=$((kills + 1))
done
wait $analysis
echo "killed the CUDA worker $kills times"
[ $kills -gt 0 ]
cmp peace.h5ad killed.h5ad
echo 'the same bytes'

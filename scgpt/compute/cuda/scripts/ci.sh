#!/usr/bin/env bash
# ci.sh [FOLDER]: what can be checked of the CUDA device without a GPU, on Linux
# x86-64 with Go, Python 3 and g++:
#   - it compiles and links against CUDA 13 and 12 with cuDNN 9, and 12 with 8.9;
#   - NVRTC of either compiles every kernel, and ptxas keeps them in registers;
#   - on the simulated device the conformance suite, the goldens, the comparison
#     with recordings of a GPU and the injected failures pass, in two orders of
#     execution, and under the address sanitizer.
# FOLDER keeps what was downloaded and built for the next time; the default is
# $XDG_CACHE_HOME/troupe/cuda-ci.
set -euo pipefail
module=$(cd "$(dirname "$0")/.." && pwd)
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/troupe/cuda-ci}
mkdir -p "$cache"
cd "$module"
export TROUPE_CUDA_CACHE=$cache/ptx
unset CI_DEVICE_OPTIONS

say() { printf -- '-- cuda: %s (%d s)\n' "$1" $((SECONDS - began)); }

# on_simulation TOOLKIT LIBRARIES ARGUMENT…: runs the test binary on a simulated
# device; without an arena, so that each tensor has its guard zones.
on_simulation() {
	local toolkit=$1 libraries=$2
	shift 2
	LD_LIBRARY_PATH=$libraries:$cache/toolkit-$toolkit/lib TROUPE_CUDA_DEVICE=cuda:0,rows=16,arena=off${CI_DEVICE_OPTIONS:-} \
		TROUPE_PTXAS=$cache/toolkit-$toolkit/bin/ptxas "$cache/cuda-$toolkit.test" -test.timeout 10m "$@"
}

for toolkit in 13 12 12-cudnn8; do
	began=$SECONDS
	python3 scripts/fetch_toolkit.py --ptxas $toolkit "$cache/toolkit-$toolkit"
	say "toolkit $toolkit"
	began=$SECONDS
	environment=$(TROUPE_CUDA_TOOLKIT=$cache/toolkit-$toolkit scripts/env.sh)
	eval "$environment"
	[ $toolkit != 13 ] || go vet -tags cuda ./...
	go build -tags cuda -o "$cache/bin-$toolkit/" ./...
	go test -tags cuda -c -o "$cache/cuda-$toolkit.test" .
	say "compiled and linked with CUDA $toolkit"
	began=$SECONDS
	sim/build.sh "$cache/toolkit-$toolkit" "$cache/simulation-$toolkit"
	say "simulation built"
	began=$SECONDS
	if [ $toolkit = 12-cudnn8 ]; then
		CI_DEVICE_OPTIONS=,attention=cublas on_simulation $toolkit "$cache/simulation-$toolkit" -test.run 'TestDescribe|TestConformance/.*/(Attention|Linear)'
		say "attention by cuDNN's softmax"
	else
		on_simulation $toolkit "$cache/simulation-$toolkit" -test.run 'TestKernelsCompile|TestInstructions'
		say 'kernels compiled, instructions compared'
	fi
done

began=$SECONDS
on_simulation 13 "$cache/simulation-13" -test.skip TestKernelsCompile
say 'tests on the simulated device'
began=$SECONDS
TROUPE_SIM_ORDER=backward on_simulation 13 "$cache/simulation-13" -test.run 'TestInstructions|TestConformance/.*/(Attention|Linear|Pool|AddLayerNorm)'
say 'warps in the other order, copies at once'
began=$SECONDS
SANITIZE=address sim/build.sh "$cache/toolkit-13" "$cache/simulation-13-asan"
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 on_simulation 13 "$cache/simulation-13-asan" \
	-test.run 'TestInstructions|TestConformance/.*/(Attention$|AttentionExtremes|AttentionScores|Linear|AddLayerNorm|Normalize|Embed|Pool|Dot|Read)'
say 'address sanitizer'

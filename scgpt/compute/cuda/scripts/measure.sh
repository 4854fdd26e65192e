#!/usr/bin/env bash
# measure.sh BIN OUT: everything that needs a GPU, in one go, into the folder OUT.
# Run it in scgpt/compute/cuda of a checkout. The machine needs a GPU, CUDA's
# libraries (LD_LIBRARY_PATH) and, for the comparison, PyTorch; no Go: build the two
# programs where there is one and carry them in BIN:
#
#   eval "$(scripts/env.sh)"
#   go test -tags cuda -c -o BIN/cuda.test . && go build -tags cuda -o BIN/bench ./cmd/bench
#
# What else may lie in BIN is used if it is there: compute-sanitizer (a program, or the
# wheel nvidia_cuda_sanitizer_api-*.whl), cells.h5ad and vocab.json (a file to embed and
# the vocabulary of its genes), lengths.json (a JSON list of tokens of cells), and
# examples/scgpt built without the tag as scgpt and with it as troupe-cuda-worker.
#
# PARTS="suite sanitizer speed file torch job" chooses; each program has a time limit.
set -u
if [ $# != 2 ] || [ ! -x "$1/bench" ] || [ ! -x "$1/cuda.test" ]; then
	echo "usage: $0 BIN OUT, with the programs bench and cuda.test in BIN" >&2
	exit 2
fi
bin=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
parts=${PARTS:-suite sanitizer speed file torch job}
export TROUPE_CUDA_CACHE=${TROUPE_CUDA_CACHE:-$out/ptx}
failed=0

step() { # step SECONDS NAME COMMAND…: output to NAME.txt and NAME.err, a line for the summary
	local limit=$1 name=$2 began=$SECONDS code
	shift 2
	timeout "$limit" "$@" >"$out/$name.txt" 2>"$out/$name.err"
	code=$?
	printf '%-28s %s, %d s\n' "$name" "$([ $code = 0 ] && echo passed || echo "FAILED ($code)")" $((SECONDS - began)) | tee -a "$out/summary.txt"
	[ $code = 0 ] || failed=1
}
wanted() { case " $parts " in *" $1 "*) ;; *) return 1 ;; esac; }
: >"$out/summary.txt"

if wanted suite; then
	step 120 suite "$bin/cuda.test" -test.v -test.run 'TestConformance|TestGoldens|TestInstructions|TestLostGPU|TestMemoryOfTheGPU'
	for way in mma cublas simple; do
		step 120 "suite_$way" env TROUPE_CUDA_DEVICE="cuda:0,attention=$way" "$bin/cuda.test" -test.run 'TestConformance|TestGoldens'
	done
	step 120 full_size env TROUPE_CUDA_FULL=1 "$bin/cuda.test" -test.v -test.run TestFullSize
fi

if wanted sanitizer; then
	sanitizer=$(command -v compute-sanitizer || true)
	[ -x "$bin/compute-sanitizer" ] && sanitizer=$bin/compute-sanitizer
	wheel=$(ls "$bin"/nvidia_cuda_sanitizer_api-*.whl 2>/dev/null | head -1)
	if [ -z "$sanitizer" ] && [ -n "$wheel" ]; then
		python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$wheel" "$out/sanitizer"
		sanitizer=$(find "$out/sanitizer" -name compute-sanitizer -type f | head -1)
		chmod +x "$(dirname "$sanitizer")"/*
	fi
	if [ -n "$sanitizer" ]; then
		"$sanitizer" --version | tee "$out/sanitizer.txt"
		# One driver allocation for each tensor, so that what lies behind a
		# tensor is nobody's.
		sanitize() { # sanitize NAME DEVICE TESTS OPTION…
			local name=$1 device=$2 tests=$3
			shift 3
			step 120 "sanitizer_$name" env TROUPE_CUDA_DEVICE="$device,arena=off" \
				"$sanitizer" --error-exitcode 9 "$@" "$bin/cuda.test" -test.v -test.run "$tests"
		}
		# The small model's heads have 16 columns; the suite has those of all
		# kernels.
		all='TestGoldens/(fp32|tf32|bf16)/(attention|gene_embeddings|pooling)|TestConformance/(fp32|tf32|bf16)/Attention$'
		sanitize memcheck cuda:0 "$all" --tool memcheck
		sanitize memcheck_mma cuda:0,attention=mma 'TestConformance/bf16/Attention$' --tool memcheck
		sanitize synccheck cuda:0 "$all" --tool synccheck
		# racecheck cannot follow all of cuBLAS's kernels: a test that needs none
		# of them, in processes of their own, since what it trips over ends one.
		for precision in fp32 tf32 bf16; do
			sanitize racecheck_$precision cuda:0 "TestConformance/$precision/Attention\$" --tool racecheck
		done
		sanitize racecheck_bf16_mma cuda:0,attention=mma 'TestConformance/bf16/Attention$' --tool racecheck
		sanitize racecheck_rows cuda:0 'TestConformance/(fp32|tf32|bf16)/(Embed|AddLayerNorm|Normalize|Pool|Dot)' --tool racecheck
	else
		echo 'sanitizer                    not here' | tee -a "$out/summary.txt"
	fi
fi

if wanted speed; then
	lengths=()
	[ -f "$bin/lengths.json" ] && lengths=(-lengths-file "$bin/lengths.json")
	step 120 speed "$bin/bench" -v -seconds "${SECONDS_EACH:-1}" "${lengths[@]}"
fi

if wanted file && [ -f "$bin/cells.h5ad" ]; then
	vocab=()
	[ -f "$bin/vocab.json" ] && vocab=(-vocab "$bin/vocab.json")
	step 120 file "$bin/bench" -lengths '' -file "$bin/cells.h5ad" "${vocab[@]}"
fi

if wanted torch; then
	cells=()
	[ -f "$bin/lengths.json" ] && cells=(--cells-lengths "$bin/lengths.json")
	step 600 torch python3 scripts/bench_torch.py "${cells[@]}"
fi

if wanted job && [ -x "$bin/scgpt" ]; then
	step 400 job scripts/job.sh "$bin" "$out/job"
	cat "$out/job.txt"
fi

python3 scripts/table.py "$out" >"$out/table.md" && cat "$out/table.md"
exit $failed

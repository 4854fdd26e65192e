#!/usr/bin/env bash
# Fuzzes what reads files of others: each target for a time, after its seeds.
#   scripts/fuzz.sh DURATION            the readers of models and cells, say 60s each
#   scripts/fuzz.sh DURATION all        every fuzz target of the module
#   scripts/fuzz.sh DURATION PKG:NAME…  those named, say ./scgpt/checkpoint:FuzzVocab
# What fails is left in the package's testdata/fuzz, where go test runs it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

duration=${1:?a duration is missing: say 60s}
shift
readers=(
	./scgpt/anndata/hdf5:FuzzOpen
	./scgpt/anndata:FuzzOpen
	./scgpt/checkpoint/torch:FuzzPickle
	./scgpt/checkpoint/safetensors:FuzzParse
	./scgpt/checkpoint:FuzzVocab
	./scgpt/checkpoint:FuzzArgs
)

every() { # lists PACKAGE:NAME of all fuzz targets of the module
	grep -rhoE --include='*_test.go' -H '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|/[^/]*:func |:|' | sort
}

if [ $# -eq 0 ]; then
	targets=("${readers[@]}")
elif [ "$*" = all ]; then
	mapfile -t targets < <(every)
else
	targets=("$@")
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for target in "${targets[@]}"; do
	package=${target%:*} name=${target##*:}
	printf '%s %s, %s\n' "$package" "$name" "$duration"
	# Inputs of some kilobytes are minimised in ten steps: by default, most of
	# the time goes there.
	if go test -run '^$' -fuzz "^$name\$" -fuzztime "$duration" -fuzzminimizetime 10x "$package" >"$log" 2>&1; then
		grep '^fuzz: elapsed' "$log" | tail -n 1
	elif grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"; then
		# The time ended amid an input, which go test takes for a failure of
		# its own (https://go.dev/issue/75804).
		grep '^fuzz: elapsed' "$log" | tail -n 1
	else
		cat "$log"
		failed=1
	fi
done
exit $failed

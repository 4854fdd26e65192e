#!/usr/bin/env bash
# build.sh TOOLKIT OUT: builds the simulated device into OUT: libcuda.so.1,
# libcublas, libcublasLt and libcudnn, with the kernels of ../kernels and the probes in them.
#   TOOLKIT  a folder from ../scripts/fetch_toolkit.py (headers only are used)
#   SANITIZE=address  with the address sanitizer, for binaries run with its
#                     runtime preloaded (see README.md)
#   KERNELS=FOLDER    other kernel sources
# A binary that is linked against the real libraries' names runs on it with
#   LD_LIBRARY_PATH=OUT:TOOLKIT/lib
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
toolkit=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
kernels=${KERNELS:-$here/../kernels}
work=$out/work
mkdir -p "$work"

flags=(-std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -Wall -Wno-unknown-pragmas -pthread)
grep -q ' fma ' /proc/cpuinfo && grep -q ' avx2 ' /proc/cpuinfo && flags+=(-mavx2 -mfma)
link=(-shared -pthread -Wl,-z,defs -Wl,--as-needed)
if [ "${SANITIZE:-}" = address ]; then
	flags+=(-fsanitize=address,alignment -fno-sanitize-recover=alignment -fno-omit-frame-pointer)
	link=(-shared -pthread -fsanitize=address,alignment)
fi

# kernel FILE: its C++ in $work. Dynamic shared memory becomes a pointer; what
# the preprocessor leaves of __global__ names the kernels, macros' ones included.
kernel() {
	local name
	name=$(basename "$1" .cu)
	{
		printf '#include "%s/language.h"\n#include "%s/ptx.h"\n#line 1 "%s"\n' "$here" "$here" "$1"
		sed -E 's/extern[[:space:]]+__shared__[[:space:]]+(__align__\([0-9]+\)[[:space:]]+)?([A-Za-z_][A-Za-z_0-9 ]*[A-Za-z_0-9])[[:space:]]+([A-Za-z_][A-Za-z_0-9]*)\[\];/\2* \3 = SIM_DYNAMIC_SHARED(\2);/' "$1"
	} >"$work/$name.body"
	g++ -std=c++17 -E -P -DTROUPE_SIMULATION -D__global__=SIM_GLOBAL -D'__launch_bounds__(...)=' -x c++ "$1" |
		tr '\n' ' ' | grep -oE 'SIM_GLOBAL[[:space:]]+void[[:space:]]+[A-Za-z_][A-Za-z_0-9]*' |
		sed -E 's/.*[[:space:]](.*)/SIM_REGISTER(\1)/' >"$work/$name.names"
	{
		cat "$work/$name.body"
		printf '#line 1 "%s/%s.names"\n' "$work" "$name"
		cat "$work/$name.names"
	} >"$work/$name.cpp"
}

compile() { # compile SOURCE OBJECT FLAGS…: unless the same text is there compiled already
	local source=$1 object=$2 sum
	shift 2
	sum=$(cat "$source" "$here"/*.h | cat - <(printf '%s ' "${flags[@]}" "$@" "$toolkit") | sha256sum)
	[ -f "$object" ] && [ "$(cat "$object.sum" 2>/dev/null)" = "$sum" ] && return
	g++ "${flags[@]}" "$@" -I"$here" -c "$source" -o "$object"
	printf '%s\n' "$sum" >"$object.sum"
}

# Driver calls that the simulation lacks answer NOT_SUPPORTED.
rest() {
	python3 - "$here/../scripts" "$toolkit/include/cuda.h" "$work"/driver.o <<'PY'
import subprocess, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import fetch_toolkit
have = {l.split()[-1] for l in subprocess.run(["nm", sys.argv[3]], check=True, capture_output=True, text=True).stdout.splitlines() if " T " in l}
for name in fetch_toolkit.declared(sys.argv[2]):
    if name not in have:
        print('extern "C" __attribute__((visibility("default"))) int %s(void) { return 801; }' % name)
PY
}

pids=()
run() { # at most two at a time
	"$@" &
	pids+=($!)
	if [ ${#pids[@]} -ge 2 ]; then
		wait "${pids[0]}"
		pids=("${pids[@]:1}")
	fi
}
objects=()
# The probes use the functions of the attention kernels.
{ printf '#define HEAD_DIM 0\n' && cat "$kernels/attention.cu" "$here/probe.cu"; } >"$work/probe.cu"
for source in "$kernels"/*.cu "$work/probe.cu"; do
	name=$(basename "$source" .cu)
	kernel "$source"
	run compile "$work/$name.cpp" "$work/kernel_$name.o" -DTROUPE_SIMULATION -Wno-unused
	objects+=("$work/kernel_$name.o")
done
for name in block ptx_module blas; do
	run compile "$here/$name.cpp" "$work/$name.o"
	objects+=("$work/$name.o")
done
run compile "$here/driver.cpp" "$work/driver.o"
for name in cublas cublaslt cudnn; do
	run compile "$here/$name.cpp" "$work/$name.o" -I"$toolkit/include" -Wno-deprecated-declarations
done
for pid in "${pids[@]}"; do wait "$pid"; done
objects+=("$work/driver.o")
rest >"$work/rest.cpp"
compile "$work/rest.cpp" "$work/rest.o"

major() { basename "$(ls "$toolkit"/lib/"$1".so.* | head -1)"; }
library() { # library NAME OBJECT…
	local name=$1
	shift
	g++ "${link[@]}" -Wl,-soname,"$name" -o "$out/$name" "$@" -static-libstdc++ -static-libgcc
}
library libcuda.so.1 "${objects[@]}" "$work/rest.o"
library "$(major libcublasLt)" "$work/cublaslt.o" "$out/libcuda.so.1"
library "$(major libcublas)" "$work/cublas.o" "$out/libcuda.so.1"
library "$(major libcudnn)" "$work/cudnn.o" "$out/libcuda.so.1"

#!/usr/bin/env bash
# env.sh: prints the environment in which the CUDA device builds on this machine,
# or says what is missing. To use it:
#
#   eval "$(scgpt/compute/cuda/scripts/env.sh)"
#   go build -tags cuda …
#
# CUDA 12 or 13, cuDNN 8.9 or 9. It looks, in this order, into $TROUPE_CUDA_TOOLKIT (a
# folder from fetch_toolkit.py), $CUDA_HOME, $CUDA_PATH, $CUDNN_HOME, the folder of
# nvcc, /usr/local/cuda*, /opt/cuda, $CONDA_PREFIX, the wheels that pip has
# installed (PyTorch brings most of them), and /usr.
set -euo pipefail
compat=$(cd "$(dirname "$0")/../compat/include" && pwd)

if [ -n "${TROUPE_CUDA_TOOLKIT:-}" ]; then
	if [ ! -d "$TROUPE_CUDA_TOOLKIT" ]; then
		echo "TROUPE_CUDA_TOOLKIT is $TROUPE_CUDA_TOOLKIT, which is no folder" >&2
		exit 1
	fi
	TROUPE_CUDA_TOOLKIT=$(cd "$TROUPE_CUDA_TOOLKIT" && pwd)
fi

roots=()
add() { # add FOLDER…: those that exist
	local root
	for root in "$@"; do
		[ -n "$root" ] && [ -d "$root" ] && roots+=("$root")
	done
	return 0
}
add "${TROUPE_CUDA_TOOLKIT:-}" "${CUDA_HOME:-}" "${CUDA_PATH:-}" "${CUDNN_HOME:-}" "${CUDNN_PATH:-}"
if nvcc=$(command -v nvcc); then
	add "$(dirname "$(dirname "$(readlink -f "$nvcc")")")"
fi
add /usr/local/cuda $(ls -d /usr/local/cuda-* 2>/dev/null | sort -rV) /opt/cuda
add "${CONDA_PREFIX:+$CONDA_PREFIX/targets/x86_64-linux}" "${CONDA_PREFIX:-}"
for python in python3 python; do
	command -v "$python" >/dev/null || continue
	add $("$python" -c '
import glob, os, sysconfig, site
places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages(), site.getusersitepackages()}
for p in sorted(places):
    print(*sorted(glob.glob(os.path.join(p, "nvidia", "*")), reverse=True))' 2>/dev/null || true)
	break
done
add /usr

missing=()
includes=()
libraries=()

header() { # header NAME ADVICE: finds the folder of a header
	local root dir
	for root in "${roots[@]}"; do
		for dir in "$root/include" "$root/targets/x86_64-linux/include" "$root/include/x86_64-linux-gnu"; do
			[ -e "$dir/$1" ] || continue
			[[ " ${includes[*]-} " == *" $dir "* ]] || includes+=("$dir")
			return
		done
	done
	missing+=("the header $1: $2")
}

library() { # library NAME MAJORS ADVICE: finds libNAME.so, or libNAME.so.MAJOR
	local root dir major file
	for root in "${roots[@]}"; do
		for dir in "$root/lib64" "$root/lib" "$root/targets/x86_64-linux/lib" "$root/lib/x86_64-linux-gnu"; do
			for major in $2; do
				for file in "$dir/lib$1.so.$major" "$dir/lib$1.so"; do
					[ -e "$file" ] || continue
					mkdir -p "$links"
					ln -sfn "$file" "$links/lib$1.so"
					[[ " ${libraries[*]-} " == *" $dir "* ]] || libraries+=("$dir")
					return
				done
			done
		done
	done
	missing+=("the library lib$1.so.{${2// /,}}: $3")
}

driver() { # libcuda comes with the driver; a toolkit has one for the linker
	local root file
	for file in $(ldconfig -p 2>/dev/null | awk '$1 == "libcuda.so" || $1 == "libcuda.so.1" { print $NF }'); do
		mkdir -p "$links"
		ln -sfn "$file" "$links/libcuda.so"
		return
	done
	for root in "${roots[@]}"; do
		for file in "$root/lib/libcuda.so.1" "$root/lib64/stubs/libcuda.so" "$root/lib/stubs/libcuda.so" "$root/targets/x86_64-linux/lib/stubs/libcuda.so"; do
			[ -e "$file" ] || continue
			mkdir -p "$links"
			ln -sfn "$file" "$links/libcuda.so"
			return
		done
	done
	missing+=("the library libcuda.so.1: it comes with NVIDIA's driver; to build without one, install a toolkit or run fetch_toolkit.py")
}

toolkit='install the CUDA toolkit (12 or 13), or set CUDA_HOME to it'
header cuda.h "$toolkit"
major=
for dir in "${includes[@]}"; do
	major=$(sed -nE 's/^#define CUDA_VERSION ([0-9]+)[0-9]{3}$/\1/p' "$dir/cuda.h" | head -1)
done
if [ -n "$major" ] && [ "$major" -lt 12 ]; then
	missing+=("CUDA 12 or 13: ${includes[0]}/cuda.h is of CUDA $major")
fi
: "${major:=13}"
header crt/host_defines.h "pip install nvidia-cuda-$([ "$major" = 12 ] && echo nvcc-cu12 || echo crt), or $toolkit"
header nv/target "pip install nvidia-cuda-cccl$([ "$major" = 12 ] && echo -cu12), or $toolkit"
header cublas_v2.h "$toolkit"
header cublasLt.h "$toolkit"
header nvrtc.h "$toolkit"
header cudnn.h "install cuDNN (8.9 or 9), or set CUDNN_HOME to it, or pip install nvidia-cudnn-cu$major"
# Names without a version, for the linker: wheels lack them.
links=${XDG_CACHE_HOME:-$HOME/.cache}/troupe/cuda-libraries/$(printf '%s ' "${roots[@]}" | cksum | cut -d' ' -f1)
driver
library cublas "$major" "$toolkit"
library cublasLt "$major" "$toolkit"
library nvrtc "$major" "$toolkit"
library cudnn "9 8" "install cuDNN (8.9 or 9), or set CUDNN_HOME to it, or pip install nvidia-cudnn-cu$major"

if [ ${#missing[@]} -gt 0 ]; then
	{
		echo 'To build the CUDA device, this machine lacks'
		printf '  %s\n' "${missing[@]}"
		echo 'Looked into'
		printf '  %s\n' "${roots[@]}"
	} >&2
	exit 1
fi

cflags="-O2 -g0 -I$compat"
for dir in "${includes[@]}"; do cflags+=" -I$dir"; done
ldflags="-L$links -Wl,--allow-shlib-undefined"
for dir in "${libraries[@]}"; do
	# A binary finds its libraries where it was built; a fetched folder has none
	# but for the linker.
	[ "$dir" = "${TROUPE_CUDA_TOOLKIT:-}/lib" ] || ldflags+=" -Wl,-rpath,$dir"
done
printf 'export CGO_ENABLED=1\nexport CGO_CFLAGS="%s"\nexport CGO_LDFLAGS="%s"\n' "$cflags" "$ldflags"

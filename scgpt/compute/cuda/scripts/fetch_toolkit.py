#!/usr/bin/env python3
"""fetch_toolkit.py 13|12|12-cudnn8 FOLDER: what it takes to build the CUDA device without CUDA.

Fetches NVIDIA's wheels from PyPI and leaves in FOLDER
  include/  the headers of CUDA, cuBLAS, NVRTC and cuDNN: 9, or 8.9 for 12-cudnn8
  lib/      NVRTC itself, which compiles kernels without a GPU, and link stubs
            of libcuda, libcublas, libcublasLt and libcudnn: libraries with the
            names of the real ones' functions and nothing in them
  bin/      ptxas, where --ptxas asks for it
A binary linked against the stubs runs on a machine with the real libraries, or
on the simulated device (../sim). The downloads (500 to 700 MB) are deleted once
unpacked; what is left takes about 150 MB. Does nothing where FOLDER is complete.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

WHEELS = {
    "13": [
        "nvidia-cuda-runtime==13.0.96",
        "nvidia-cuda-crt==13.0.88",
        "nvidia-cuda-cccl==13.0.85",
        "nvidia-cublas==13.0.2.14",
        "nvidia-cuda-nvrtc==13.0.88",
        "nvidia-cudnn-jit-cu13==9.19.0.56",
    ],
    "12": [
        "nvidia-cuda-runtime-cu12==12.9.79",
        "nvidia-cuda-nvcc-cu12==12.9.86",
        "nvidia-cuda-cccl-cu12==12.9.27",
        "nvidia-cublas-cu12==12.9.1.4",
        "nvidia-cuda-nvrtc-cu12==12.9.86",
        "nvidia-cudnn-jit-cu12==9.19.0.56",
    ],
}
# cuDNN 8.9 is of the time of CUDA 12.
WHEELS["12-cudnn8"] = [w for w in WHEELS["12"] if "cudnn" not in w] + ["nvidia-cudnn-cu12==8.9.7.29"]
PTXAS = {"13": "nvidia-cuda-nvcc==13.0.88", "12": "nvidia-cuda-nvcc-cu12==12.9.86", "12-cudnn8": "nvidia-cuda-nvcc-cu12==12.9.86"}

# Of the C++ libraries (cccl), what the C headers include.
HEADER = re.compile(r"/include/((?!cccl/|cub/|cuda/|thrust/)[^/]+\.h(?:pp)?|crt/.+\.h(?:pp)?|nv/.+[^/])$")
LIBRARY = re.compile(r"/lib/(lib(?:cublas|cublasLt|cudnn|nvrtc|nvrtc-builtins)\.so\.[\d.]+)$")
TOOL = re.compile(r"/bin/(ptxas)$")


def download(wheels, into):
    """Runs pip in an environment of its own: the system's may be missing or locked."""
    env = os.path.join(into, "venv")
    venv.create(env, with_pip=True)
    subprocess.run(
        [os.path.join(env, "bin", "python"), "-m", "pip", "--quiet", "--disable-pip-version-check",
         "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--dest", into, *wheels],
        check=True,
    )
    return sorted(glob.glob(os.path.join(into, "*.whl")))


def unpack(wheel, folder, scratch):
    """Copies headers and NVRTC; of the other libraries only the names survive."""
    with zipfile.ZipFile(wheel) as z:
        for name in z.namelist():
            if m := HEADER.search(name):
                extract(z, name, os.path.join(folder, "include", m.group(1)))
            elif m := TOOL.search(name):
                path = os.path.join(folder, "bin", m.group(1))
                extract(z, name, path)
                os.chmod(path, 0o755)
            elif m := LIBRARY.search(name):
                path = os.path.join(folder, "lib", m.group(1))
                if m.group(1).startswith("libnvrtc"):
                    extract(z, name, path)
                    continue
                real = os.path.join(scratch, m.group(1))
                extract(z, name, real)
                stub(exported(real), path)
                os.remove(real)


def extract(z, name, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with z.open(name) as src, open(path, "wb") as dst:
        shutil.copyfileobj(src, dst, 1 << 20)


def exported(library):
    """The functions that a shared library exports."""
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return sorted({m.group(1) for m in re.finditer(r"^\S+ T (\w+)", out, re.M)})


def declared(header):
    """The functions that cuda.h declares, under all the names its macros give them."""
    with open(header, errors="ignore") as f:
        text = f.read()
    names = set(re.findall(r"\bCUDAAPI\s+(cu[A-Z]\w*)\s*\(", text))
    for pair in re.findall(r"^\s*#\s*define\s+(cu[A-Z]\w*)\s+(?:__CUDA_API_PT[DS][SZ]\()?(cu[A-Z]\w*)", text, re.M):
        names.update(pair)
    return sorted(names)


def stub(names, path):
    """A library whose functions all fail: for the linker, not to be run."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    code = "".join(f"int {n}(void) {{ return 100; }}\n" for n in names)
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-w", "-x", "c", "-", "-o", path, "-Wl,-soname," + os.path.basename(path)],
        input=code.encode(), check=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("toolkit", choices=sorted(WHEELS))
    parser.add_argument("folder")
    parser.add_argument("--ptxas", action="store_true", help="also fetch ptxas, which shows registers and spills")
    args = parser.parse_args()
    wheels = list(WHEELS[args.toolkit])
    if args.ptxas and PTXAS[args.toolkit] not in wheels:
        wheels.append(PTXAS[args.toolkit])
    done = os.path.join(args.folder, "complete")
    want = "\n".join(wheels) + "\n"
    if os.path.exists(done):
        with open(done) as f:
            if set(wheels) <= set(f.read().split()):
                return
    os.makedirs(args.folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        for wheel in download(wheels, scratch):
            unpack(wheel, args.folder, scratch)
            os.remove(wheel)
    lib = os.path.join(args.folder, "lib")
    stub(declared(os.path.join(args.folder, "include", "cuda.h")), os.path.join(lib, "libcuda.so.1"))
    for path in sorted(glob.glob(os.path.join(lib, "*.so.*"))):
        link = path[: path.index(".so.")] + ".so"
        if os.path.lexists(link):
            os.remove(link)
        os.symlink(os.path.basename(path), link)
    with open(done, "w") as f:
        f.write(want)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env bash
# Tests, on Linux, how agents run in processes of their own without Linux's own
# means: in registry and internal, the files for `!linux` take the place of those for
# Linux, in the build alone (go test -overlay). The temporary folder is behind a
# symbolic link, as it is on macOS, but for the fault suite, which resolves it. What
# only another kernel or another libc does shows nowhere but there.
#   scripts/test_other_unix.sh [go test's further arguments]
# Without arguments, it tests the packages with such files and the fault suite.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/real"
chmod 755 "$work" # tests become other users
ln -s "$work/real" "$work/link"

# Files for Linux go, those for `!linux` are taken.
python3 - "$work" >"$work/overlay.json" <<'PYTHON'
import json
import pathlib
import re
import subprocess
import sys

replace = {}
for name in subprocess.check_output(["git", "ls-files", "registry/**.go", "internal/**.go"], text=True).split():
    path = pathlib.Path(name).resolve()
    text = path.read_text()
    line = re.search(r"^//go:build (.*)$", text, re.M)
    if not line or "linux" not in line[1]:
        continue
    if not re.fullmatch(r"linux \|\| windows|(\w+ && )*!linux( && !?\w+)*", line[1]):
        sys.exit(f"{path}: what becomes of //go:build {line[1]}?")
    if "!linux" not in line[1]:
        replace[str(path)] = ""
        continue
    kept = [term for term in line[1].split(" && ") if term != "!linux"]
    copy = pathlib.Path(sys.argv[1], f"{len(replace)}.go")
    copy.write_text(text.replace(line[0], "//go:build " + " && ".join(kept) if kept else ""))
    replace[str(path)] = str(copy)
    for own in [*path.parent.glob("*_linux.go"), *path.parent.glob("*_linux_test.go")]:
        replace[str(own)] = ""
if not replace:
    sys.exit("no file for !linux in registry and internal: where are they?")
json.dump({"Replace": replace}, sys.stdout, indent=1)
PYTHON

export TMPDIR=$work/link
if [ $# -gt 0 ]; then
	go test -overlay "$work/overlay.json" -timeout 20m "$@"
else
	go test -overlay "$work/overlay.json" -timeout 10m ./registry/... ./agent/... ./internal/...
	(cd integration && go test -overlay "$work/overlay.json" -timeout 20m -run 'Fault|Process|Isolat' .)
fi

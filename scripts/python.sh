#!/usr/bin/env bash
# Runs python with what the checks need, in an environment of its own that the first call makes.
#   scripts/python.sh scripts/check_annotated.py ANNOTATED.h5ad INPUT.h5ad
#   scripts/python.sh --with scripts/requirements-0.13.txt scripts/check_copies.py
# PYTHON names the interpreter; by default it is python3, or a newer one where the requirements ask for it.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
requirements=$root/scripts/requirements.txt
if [ "${1:-}" = --with ]; then
	requirements=$(realpath "$2")
	shift 2
fi
name=$(basename "$requirements" .txt)
folder=$(dirname "${requirements#"$root"/}")
[ "$folder" = scripts ] && folder= || folder=-${folder//\//-}
venv=$root/.venv$folder${name#requirements}

interpreter() { # the first that is new enough for "# python >= 3.N" in the requirements
	local least candidate
	least=$(sed -n 's/^# python >= 3\.//p' "$requirements")
	for candidate in ${PYTHON:-python3 python3.13 python3.12 "$(pyenv root 2>/dev/null)"/versions/3.1[2-9]*/bin/python}; do
		if "$candidate" -c "import sys; sys.exit(sys.version_info < (3, ${least:-0}))" 2>/dev/null; then
			echo "$candidate"
			return
		fi
	done
	echo "$requirements needs Python 3.$least or newer: name it by PYTHON=" >&2
	return 1
}

if [ ! -f "$venv/ready" ] || [ "$requirements" -nt "$venv/ready" ]; then
	python=$(interpreter)
	"$python" -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
	touch "$venv/ready"
fi
exec "$venv/bin/python" "$@"

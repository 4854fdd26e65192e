#!/usr/bin/env bash
# Runs python with what the scripts need: makes a virtual environment at the first call.
#   scripts/python.sh scripts/check_annotated.py ANNOTATED.h5ad INPUT.h5ad
#   scripts/python.sh --requirements interop scripts/interop.py …   # with requirements-interop.txt, in one of its own
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
requirements=requirements.txt venv=.venv
if [ "${1-}" = --requirements ]; then
	requirements=requirements-$2.txt venv=.venv-$2
	shift 2
fi
if [ ! -f "$root/$venv/ready" ] || [ "$root/scripts/$requirements" -nt "$root/$venv/ready" ]; then
	python3 -m venv "$root/$venv"
	"$root/$venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/scripts/$requirements"
	touch "$root/$venv/ready"
fi
exec "$root/$venv/bin/python" "$@"

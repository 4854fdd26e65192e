#!/usr/bin/env bash
# Runs python with what the checks need: makes .venv at the first call.
#   scripts/python.sh scripts/check_annotated.py ANNOTATED.h5ad INPUT.h5ad
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ ! -f "$root/.venv/ready" ] || [ "$root/scripts/requirements.txt" -nt "$root/.venv/ready" ]; then
	python3 -m venv "$root/.venv"
	"$root/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/scripts/requirements.txt"
	touch "$root/.venv/ready"
fi
exec "$root/.venv/bin/python" "$@"

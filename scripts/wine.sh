#!/usr/bin/env bash
# Runs a Windows program with Wine, in the same folder, on any Linux machine:
#   scripts/wine.sh PROGRAM [ARGUMENT...]
# Wine has to be version 10 or newer, as earlier ones lack what Go's programs call. Where
# it is not, WINE_ROOT is a folder in which this script installs Debian 13 with its
# Wine, for which it has to be root and to have debootstrap.
#   scripts/wine.sh --start    makes all ready, and keeps Wine's own processes running
#   scripts/wine.sh --stop     ends them
# One Wine runs for each WINEPREFIX, a folder that is made if it is missing.
set -euo pipefail
export WINEDEBUG=-all WINEPREFIX=${WINEPREFIX:-${TMPDIR:-/tmp}/troupe-wine}
WINE_CHECKOUT=$(cd "$(dirname "$0")/.." && pwd)
export WINE_CHECKOUT
root=${WINE_ROOT:-}
version=$(wine --version 2>/dev/null || echo wine-0)
version=${version#wine-}
if [ "${version%%.*}" -ge 10 ]; then
	root=
elif [ -z "$root" ]; then
	echo "wine is not installed, or older than version 10; WINE_ROOT may name a folder to install it in" >&2
	exit 1
fi

inside() { # runs a command where Wine is
	if [ -z "$root" ]; then
		"$@"
		return
	fi
	# The mounts end with the command.
	unshare --mount --propagation private bash -c '
		set -e
		root=$1 dir=$2
		shift 2
		for d in proc dev sys; do mount --rbind "/$d" "$root/$d"; done
		for d in "${TMPDIR:-/tmp}" "$WINE_CHECKOUT" "$(dirname "$WINEPREFIX")"; do
			mkdir -p "$root$d"
			mount --bind "$d" "$root$d"
		done
		exec chroot "$root" bash -c '\''cd "$1" && shift && exec "$@"'\'' bash "$dir" "$@"
	' bash "$root" "$PWD" "$@"
}

install() {
	debootstrap --variant=minbase trixie "$root" &&
		cp /etc/hosts "$root/etc/hosts" &&
		inside env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends wine wine64 </dev/null
}

start() {
	if [ -n "$root" ] && [ ! -e "$root.installed" ]; then
		install >"$root.log" 2>&1 || {
			tail -n 20 "$root.log" >&2
			return 1
		}
		touch "$root.installed"
	fi
	mkdir -p "$WINEPREFIX"
	inside wineboot -i </dev/null >/dev/null 2>&1
	# Who starts the first program gets its desktop too, which outlives it and keeps
	# its output open: that is this one, which waits for input.
	sleep infinity > >(setsid bash "$0" cmd >/dev/null 2>&1) 2>/dev/null &
	echo $! >"$WINEPREFIX/waits"
}

stop() {
	kill "$(cat "$WINEPREFIX/waits")" 2>/dev/null || true
	rm -f "$WINEPREFIX/waits"
	inside wineserver -k || true
}

case ${1:-} in
--start) start ;;
--stop) stop ;;
*) inside wine "$@" ;;
esac

#!/usr/bin/env bash
# Tests what only another kernel than Linux does, in a virtual machine that has FreeBSD's
# kernel and nothing else of FreeBSD: Go's programs for it need no library.
#   scripts/test_freebsd.sh KERNEL [the tests' further flags, such as -test.v]
# It tests the packages that start processes, lock files or serve, and the fault suite;
# PACKAGES names folders to test instead. KERNEL is one for amd64 with at least CD9660,
# TMPFS, INET and the devices acpi, pci, uart, loop, virtio, virtio_pci and virtio_blk;
# tried with a small one of FreeBSD 13.2.
# It needs qemu-system-x86_64 and grub-mkrescue; Debian's packages are qemu-system-x86,
# grub-pc-bin, grub-common, xorriso and mtools. The processor is emulated, so that it
# works inside of virtual machines too.
set -euo pipefail
kernel=$(realpath "${1:?which kernel?}")
shift
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The machine is this: a kernel, an init, the tests and their data, on a CD and a disk.
mkdir -p "$dir/t" "$dir/system/"{boot/grub,dev,etc,tmp,t}
cp "$kernel" "$dir/system/boot/kernel"
cat >"$dir/system/boot/grub/grub.cfg" <<'GRUB'
kfreebsd -h -D /boot/kernel
set kFreeBSD.console=comconsole
set kFreeBSD.hint.uart.0.at=isa
set kFreeBSD.hint.uart.0.port=0x3F8
set kFreeBSD.hint.uart.0.irq=4
set kFreeBSD.hint.uart.0.flags=0x10
set kFreeBSD.init_path=/init
set kFreeBSD.machdep.idle=hlt
set kFreeBSD.kern.timecounter.smp_tsc=1
set kFreeBSD.kern.timecounter.invariant_tsc=1
set kFreeBSD.kern.timecounter.hardware=TSC
set kFreeBSD.vfs.root.mountfrom=cd9660:/dev/vtbd0
boot
GRUB
echo '127.0.0.1 localhost' >"$dir/system/etc/hosts"
echo 'root:x:0:0:root:/tmp:/none' >"$dir/system/etc/passwd"
echo 'wheel:x:0:' >"$dir/system/etc/group"
export CGO_ENABLED=0 GOOS=freebsd GOARCH=amd64
go build -o "$dir/system/init" ./scripts/freebsd

tests() { # tests FLAGS FOLDER…: has the machine run the tests in the folders
	local flags=$1 folder
	shift
	for folder in "$@"; do
		mkdir -p "$dir/t/$folder"
		(cd "$folder" && go test -c -ldflags '-s -w' -o "$dir/t/$folder/test" .)
		if [ -d "$folder/testdata" ]; then
			cp -r "$folder/testdata" "$dir/t/$folder/"
		fi
		printf '%s%s\n' "$folder" "$flags" >>"$dir/t/tests"
	done
}
cp -r testdata "$dir/t/"
flags=$(printf '\t%s' -test.timeout=30m "$@")
if [ -n "${PACKAGES:-}" ]; then
	read -ra folders <<<"$PACKAGES"
else
	mapfile -t folders < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' \
		./registry/... ./internal/... ./agent/... ./agent/devserver/... ./retry ./scgpt/storage ./scgpt/anndata/... | sed -n "s,^$PWD/,,p")
	tests "$flags"$'\t-test.run=Fault|Process|Isolat' integration
fi
tests "$flags" "${folders[@]}"

tar -C "$dir/t" --format=ustar -cf "$dir/disk" .
# The last jump of GRUB 2.06 reads its target four bytes too early.
cp -r /usr/lib/grub/i386-pc "$dir/grub"
LC_ALL=C sed -i 's/\xff\x25\x00\(\x00\{15\}\)/\xff\x25\x04\1/' "$dir/grub/relocator.mod"
grub-mkrescue -o "$dir/cd" -d "$dir/grub" "$dir/system" >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}
timeout -k 10 5400 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 6G -smp 2 -display none -serial stdio -monitor none -no-reboot -nic none \
	-device virtio-rng-pci -drive "file=$dir/cd,format=raw,if=virtio,readonly=on" \
	-drive "file=$dir/disk,format=raw,if=virtio,readonly=on" </dev/null | tee "$dir/log"
grep -q 'the tests ended with true' "$dir/log"

#!/usr/bin/env bash
# Tests what jumps of the clock do, in a virtual machine whose clock may be set:
#   scripts/test_clock.sh
# It needs qemu-system-x86_64, busybox (static), cpio and a Linux kernel for virtual
# machines: KERNEL names one, else Debian's linux-image-cloud-amd64 is downloaded.
# Debian's packages are qemu-system-x86, busybox-static and cpio. The processor is
# emulated, so that it works inside of virtual machines too.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

kernel=${KERNEL:-}
if [ -z "$kernel" ]; then
	package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
	(cd "$dir" && apt-get download -qq "$package" 2>/dev/null && dpkg -x ./*.deb kernel)
	kernel=$(echo "$dir"/kernel/boot/vmlinuz-*)
fi

# The machine is this: a kernel, busybox, the test and its data, all in memory.
mkdir -p "$dir/system/"{bin,proc,sys,dev,tmp,t/integration}
cp "$(command -v busybox)" "$dir/system/bin/busybox"
cp -r testdata "$dir/system/t/testdata"
(cd integration && CGO_ENABLED=0 go test -c -ldflags '-s -w' -o "$dir/system/t/integration/test" .)
cat >"$dir/system/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp USER=root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=2g tmp /tmp
ip link set lo up
cd /t/integration
TROUPE_TEST_SETS_CLOCK=1 ./test -test.v -test.timeout 25m -test.run 'TestFaultClock$'
echo "the test ended with $?"
poweroff -f
INIT
chmod +x "$dir/system/init"
(cd "$dir/system" && find . | cpio -o -H newc --quiet | gzip -1 >"$dir/initrd")
timeout -k 10 1800 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 6G -smp 2 -nographic -no-reboot -nic none \
	-kernel "$kernel" -initrd "$dir/initrd" -append 'console=ttyS0 quiet panic=-1' </dev/null | tee "$dir/log"
grep -q 'the test ended with 0' "$dir/log"

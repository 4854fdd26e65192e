//go:build freebsd && amd64

// Command freebsd is process 1 of the machine of test_freebsd.sh: it mounts, runs the
// tests one by one, and turns the machine off.
package main

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func must(what string, err error) {
	if err != nil && err != syscall.Errno(0) {
		fmt.Println("init:", what, err)
		off()
	}
}

func off() {
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, 1, syscall.TIOCDRAIN, 0) // of what was printed
	_, _, _ = syscall.Syscall(syscall.SYS_REBOOT, 4, 0, 0)                // RB_NOSYNC, and QEMU exits
	select {}
}

func mount(options ...string) error {
	var v []syscall.Iovec
	for _, o := range options {
		b := append([]byte(o), 0)
		v = append(v, syscall.Iovec{Base: &b[0], Len: uint64(len(b))})
	}
	_, _, err := syscall.Syscall(syscall.SYS_NMOUNT, uintptr(unsafe.Pointer(&v[0])), uintptr(len(v)), 0)
	return err
}

// loopback gives lo0 its address and the machine its name.
func loopback() {
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	must("socket", err)
	alias := make([]byte, 68) // struct in_aliasreq: the name, then the address, the broadcast address and the mask
	copy(alias, "lo0")
	copy(alias[16:], []byte{16, syscall.AF_INET, 0, 0, 127, 0, 0, 1})
	copy(alias[48:], []byte{16, syscall.AF_INET, 0, 0, 255, 0, 0, 0})
	_, _, err = syscall.Syscall(syscall.SYS_IOCTL, uintptr(s), 0x8044692b, uintptr(unsafe.Pointer(&alias[0]))) // SIOCAIFADDR
	must("address of lo0", err)
	name, mib := []byte("freebsd"), []int32{1, 10}
	_, _, err = syscall.Syscall6(syscall.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), 2, 0, 0, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)))
	must("hostname", err)
}

// unpack lays the second disk, a tar file, into memory: reading a CD takes too long.
func unpack(dir string) {
	disk, err := os.Open("/dev/vtbd1")
	must("tests", err)
	files := tar.NewReader(bufio.NewReaderSize(disk, 1<<20)) // a disk is read in whole sectors
	for {
		h, err := files.Next()
		if err == io.EOF {
			return
		}
		must("tar", err)
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			must("folder", os.MkdirAll(path, 0o755))
			continue
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, h.FileInfo().Mode())
		must("file", err)
		_, err = io.Copy(struct{ io.Writer }{f}, files)
		must("copy", err)
		must("close", f.Close())
	}
}

// run runs a test, without the SDK's check that a workflow goes on within a second, for
// which an emulated processor is too slow; whoever the test leaves behind becomes a
// child of this process.
func run(dir string, args []string) bool {
	began := time.Now()
	pid, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{
		Dir: dir, Env: []string{"HOME=/tmp", "TMPDIR=/tmp", "USER=root", "PATH=/bin", "TEMPORAL_DEBUG=1"}, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	must("start "+dir, err)
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR || err == nil && ended != pid {
			continue
		}
		must("wait", err)
		ok := status.Exited() && status.ExitStatus() == 0
		fmt.Printf("== %s: ok %t, exit %d, signal %d, %.1fs\n", strings.TrimPrefix(dir, "/t/"), ok, status.ExitStatus(), status.Signal(), time.Since(began).Seconds())
		return ok
	}
}

func main() {
	console, err := syscall.Open("/dev/console", syscall.O_RDWR, 0)
	must("console", err)
	for fd := range 3 {
		_ = syscall.Dup2(console, fd)
	}
	must("tmpfs", mount("fstype", "tmpfs", "fspath", "/tmp", "from", "tmpfs"))
	must("tmpfs", mount("fstype", "tmpfs", "fspath", "/t", "from", "tmpfs"))
	must("chmod", os.Chmod("/tmp", 0o1777))
	loopback()
	unpack("/t")
	tests, err := os.ReadFile("/t/tests")
	must("tests", err)
	ok := true
	for line := range strings.Lines(string(tests)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		ok = run("/t/"+fields[0], append([]string{"/t/" + fields[0] + "/test"}, fields[1:]...)) && ok
	}
	fmt.Println("the tests ended with", ok)
	off()
}

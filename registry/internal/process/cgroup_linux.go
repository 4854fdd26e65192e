package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroup is a control group (version 2) made for one child. A nil one is none.
type cgroup struct {
	path string
	dir  *os.File
}

// groups counts those of this process, for their names.
var groups atomic.Int64

// newCgroup makes a group beside or below that of this process, wherever the
// memory controller may be used.
func newCgroup(memory int64) (*cgroup, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	base, err := ownGroup("/sys/fs/cgroup", string(own))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, parent := range []string{base, filepath.Dir(base)} {
		g, err := makeGroup(parent, memory)
		if err == nil {
			return g, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// ownGroup returns the folder of the group that /proc/self/cgroup names.
func ownGroup(mount, own string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(mount, &fs); err != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return "", fmt.Errorf("%s is not the hierarchy of control groups version 2", mount)
	}
	for line := range strings.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(mount, path), nil
		}
	}
	return "", errors.New("this process is in no control group of version 2")
}

// makeGroup makes a group below parent, which must lend out its memory
// controller.
func makeGroup(parent string, memory int64) (*cgroup, error) {
	control := filepath.Join(parent, "cgroup.subtree_control")
	lent, err := os.ReadFile(control)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(string(lent)), "memory") {
		if err := set(control, "+memory"); err != nil {
			return nil, err
		}
	}
	g := &cgroup{path: filepath.Join(parent, fmt.Sprintf("troupe-%d-%d", os.Getpid(), groups.Add(1)))}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil, err
	}
	if err := g.fill(memory); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

func (g *cgroup) fill(memory int64) (err error) {
	if err := set(filepath.Join(g.path, "memory.max"), strconv.FormatInt(memory, 10)); err != nil {
		return err
	}
	// Without swap the file does not exist, and there is nothing to limit.
	_ = set(filepath.Join(g.path, "memory.swap.max"), "0")
	// One process out of memory is the whole child.
	_ = set(filepath.Join(g.path, "memory.oom.group"), "1")
	g.dir, err = os.Open(g.path)
	return err
}

// set writes a control file, which the kernel has made.
func set(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// place has a child start in the group.
func (g *cgroup) place(a *syscall.SysProcAttr) {
	if g != nil {
		a.UseCgroupFD, a.CgroupFD = true, int(g.dir.Fd())
	}
}

// outOfMemory says what the kernel did to the group's processes, or nothing.
func (g *cgroup) outOfMemory() string {
	if g == nil {
		return ""
	}
	events, err := os.ReadFile(filepath.Join(g.path, "memory.events"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(events)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
			limit, _ := os.ReadFile(filepath.Join(g.path, "memory.max"))
			return "out of memory: limit " + strings.TrimSpace(string(limit)) + " bytes"
		}
	}
	return ""
}

func (g *cgroup) remove() error {
	if g == nil {
		return nil
	}
	var err error
	if g.dir != nil {
		err = g.dir.Close()
	}
	return errors.Join(err, unix.Rmdir(g.path))
}

package process

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is where control groups of version 2 are found.
const hierarchy = "/sys/fs/cgroup"

// cgroup is a control group (version 2) made for one child. A nil one is none.
type cgroup struct {
	path string
	dir  *os.File
}

// groups counts those of this process, for their names, in which ownTag tells this
// process from others of its id: ids are used again, and containers that share a
// hierarchy each have a process 1.
var (
	groups atomic.Int64
	ownTag = rand.Text()[:8]
)

// newCgroup makes a group below that of this process, or beside it where that is
// lent to it, wherever the memory controller may be used. Nothing else will do: a
// child in a group that systemd, say, has not lent would be out of all other limits of
// its service.
func newCgroup(memory int64) (*cgroup, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	base, err := ownGroup(hierarchy, string(own))
	if err != nil {
		return nil, err
	}
	parents := []string{base}
	if beside := filepath.Dir(base); lent(beside) {
		parents = append(parents, beside)
	}
	var errs []error
	for _, parent := range parents {
		sweep(parent, time.Now())
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

// lent reports whether a group is that of a service to which systemd has lent it
// (Delegate=yes), which is told by these marks: that one may write there tells nothing,
// for root may everywhere, and a user in the groups around those of their services.
func lent(path string) bool {
	return slices.ContainsFunc([]string{"trusted.delegate", "user.delegate"}, func(mark string) bool {
		value := make([]byte, 1)
		n, err := unix.Getxattr(path, mark, value)
		return err == nil && string(value[:n]) == "1"
	})
}

// abandonedAge is the age at which a group without processes has been left behind:
// others have one from their first moment on.
const abandonedAge = time.Minute

// sweep removes groups below parent whose owners are gone: one that is killed removes
// none of its own.
func sweep(parent string, now time.Time) {
	left, _ := filepath.Glob(filepath.Join(parent, "troupe-*"))
	for _, path := range left {
		pid, tag, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "troupe-"), "-")
		tag, _, _ = strings.Cut(tag, "-")
		owner, err := strconv.Atoi(pid)
		if err != nil || owner == os.Getpid() && tag == ownTag {
			continue
		}
		if owner != os.Getpid() && !errors.Is(unix.Kill(owner, 0), unix.ESRCH) {
			continue
		}
		if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) > abandonedAge {
			_ = unix.Rmdir(path) // which the kernel refuses while it has processes
		}
	}
}

// makeGroup makes a group below parent, which must lend out its memory
// controller.
func makeGroup(parent string, memory int64) (*cgroup, error) {
	control := filepath.Join(parent, "cgroup.subtree_control")
	on, err := os.ReadFile(control)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(string(on)), "memory") {
		if err := set(control, "+memory"); err != nil {
			return nil, err
		}
	}
	g := &cgroup{path: filepath.Join(parent, fmt.Sprintf("troupe-%d-%s-%d", os.Getpid(), ownTag, groups.Add(1)))}
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
	// Killed processes leave their group a moment later.
	removed := unix.Rmdir(g.path)
	for pause := time.Millisecond; errors.Is(removed, unix.EBUSY) && pause < maxRemovePause; pause *= 2 {
		time.Sleep(pause)
		removed = unix.Rmdir(g.path)
	}
	if errors.Is(removed, unix.ENOENT) { // swept
		removed = nil
	}
	return errors.Join(err, removed)
}

// maxRemovePause ends the tries to remove a group, after half a second in all.
const maxRemovePause = 300 * time.Millisecond

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/registry/internal/process"
	"github.com/seed-ab6af24b/troupe/retry"
)

// With roleVariable set, the test binary is a program that runs an agent "a"
// over a fake server, in one of the roles below. folderVariable is a folder that
// it shares with the test.
const folderVariable = "TROUPE_TEST_FOLDER"

func init() { play = playRole }

// roles are what the agent does in its Start.
var roles = map[string]func(ctx context.Context, t *troupe) error{
	"works":                        func(context.Context, *troupe) error { return nil },
	"works without a death signal": func(context.Context, *troupe) error { return withoutDeathSignal() },
	"exits": func(_ context.Context, t *troupe) error {
		if t.first() {
			fmt.Fprintln(os.Stderr, "the key is", os.Getenv("TEST_API_KEY"))
			os.Exit(7)
		}
		return nil
	},
	"panics in a goroutine": func(_ context.Context, t *troupe) error {
		if t.first() {
			go func() { panic("boom") }()
			select {}
		}
		return nil
	},
	"segfaults": func(_ context.Context, t *troupe) error {
		if t.first() {
			processtest.Segfault()
		}
		return nil
	},
	"is killed": func(_ context.Context, t *troupe) error {
		if t.first() {
			_ = processtest.Kill(os.Getpid())
			select {}
		}
		return nil
	},
	"takes all memory": func(_ context.Context, t *troupe) error {
		if t.first() {
			debug.SetMemoryLimit(-1)
			hog := make(map[int][]byte)
			for len(hog) < 2048 { // were there no limit, the machine would pay
				hog[len(hog)] = make([]byte, 1<<20)
			}
			os.Exit(3)
		}
		return nil
	},
	"sends garbage": func(_ context.Context, t *troupe) error {
		if t.first() {
			_, _ = pipeToParent().WriteString("Hello, parent! I speak no protocol.")
			select {}
		}
		return nil
	},
	"is corrupt": func(context.Context, *troupe) error { return retry.InvalidData.Errorf("best_model.pt: no tensors") },
	"fails":      func(context.Context, *troupe) error { return errors.New("no GPU yet") },
	"reports": func(_ context.Context, t *troupe) error {
		dir, _ := os.Getwd()
		text, err := json.Marshal(map[string]any{
			"args": os.Args[1:], "dir": dir, "device": Device("none"), "child": IsChild(), "niceness": niceness(),
			"memory": os.Getenv("GOMEMLIMIT"), "greeting": os.Getenv("TEST_GREETING"), "pipes": os.Getenv("TROUPE_PARENT_PIPES"),
		})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(t.folder, "report"), text, 0o600)
	},
	// An activity begins with the agent and ends by its context.
	"is busy": func(context.Context, *troupe) error { return nil },
	// An activity begins with the agent and never ends.
	"is stuck": func(context.Context, *troupe) error { return nil },
	// Likewise, and its context has ended.
	"is overdue": func(context.Context, *troupe) error { return nil },
}

// troupe is the program.
type troupe struct {
	role, folder string
	server       *fakeServer
}

// first reports whether the program was not started before in this folder.
func (t *troupe) first() bool {
	f, err := os.OpenFile(filepath.Join(t.folder, "started"), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

func playRole(role string) int {
	t := &troupe{role: role, folder: os.Getenv(folderVariable), server: &fakeServer{}}
	switch role {
	case "parent":
		return t.parent()
	case "says nothing":
		hang()
	case "speaks another version":
		conn, hello, _, _ := process.Parent()
		hello.Protocol, hello.Module, hello.TaskQueue = 99, "v9.9.9", "a-tasks"
		_ = conn.Send(process.Message{Type: process.TypeHello, Hello: &hello})
		hang()
	case "has two registries", "has two registries at once":
		return t.twoRegistries(role == "has two registries at once")
	case "has another agent":
		return Main(Options{Dial: t.server.dial}, func(reg *Registry) error { return reg.Register(newFakeAgent("b")) })
	case "has another queue":
		return Main(Options{Dial: t.server.dial}, func(reg *Registry) error {
			a := newFakeAgent("a")
			a.Base = a.OnTaskQueue("elsewhere")
			return reg.Register(a)
		})
	}
	if afterRun[role] != nil {
		return t.hangs(role)
	}
	return Main(Options{Dial: t.dial}, func(reg *Registry) error {
		reg.newWorker = t.server.newWorker
		a, b := newFakeAgent("a"), newFakeAgent("b")
		a.onStart = func(ctx context.Context) error { return roles[role](ctx, t) }
		return errors.Join(reg.Register(a, Process()), reg.Register(b, Process()))
	})
}

// dial is called before the worker is made.
func (t *troupe) dial(ctx context.Context, agent string) (client.Client, error) {
	if strings.HasPrefix(t.role, "is ") {
		go t.work()
	}
	return t.server.dial(ctx, agent)
}

// work executes the activity that the role asks for, once there is a worker.
func (t *troupe) work() {
	for {
		t.server.mu.Lock()
		for _, w := range t.server.pollers {
			t.server.mu.Unlock()
			switch t.role {
			case "is busy":
				w.execute(func(ctx context.Context) { <-ctx.Done() })
			case "is stuck":
				w.execute(func(context.Context) { select {} })
			case "is overdue":
				if t.first() {
					ctx, cancel := context.WithCancel(context.Background())
					cancel()
					w.executeIn(ctx, func(context.Context) { select {} })
				}
			}
			return
		}
		t.server.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

// parent is a program whose agent runs in a process of its own; the test kills
// it. It prints the process's id when that is ready.
func (t *troupe) parent() int {
	reg := New(Options{Dial: t.server.dial})
	options := ProcessOptions{Env: []string{roleVariable + "=" + os.Getenv("TEST_CHILD_ROLE")}}
	if err := reg.Register(newFakeAgent("a"), Process(options)); err != nil {
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		if reg.WaitReady(ctx) == nil {
			s, _ := reg.AgentStatus("a")
			fmt.Println(s.Processes[0].PID)
		}
	}()
	if reg.Run(ctx) != nil {
		return 1
	}
	return 0
}

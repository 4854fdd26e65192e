package integration

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/telemetry"
)

// childAgent, set to a name, makes the test binary a program that registers an
// agent of that name, for registries that run it in a process of its own.
const childAgent = "TROUPE_TEST_AGENT"

// Such a program's StopTimeout, and the time that its activity may take.
const (
	childStopTimeout  = "TROUPE_TEST_STOP_TIMEOUT"
	childStartToClose = "TROUPE_TEST_START_TO_CLOSE"
)

// playAgent runs the agent. What its activity does depends on the text.
func playAgent(name string) int {
	tel, err := telemetry.New(telemetry.Options{})
	if err != nil {
		return 1
	}
	timeout, _ := time.ParseDuration(os.Getenv(childStopTimeout)) // 0 is the default
	return registry.Main(registry.Options{Observer: tel, Logger: silent, StopTimeout: timeout}, func(reg *registry.Registry) error {
		a := namedAgent(name)
		if d, err := time.ParseDuration(os.Getenv(childStartToClose)); err == nil {
			a.activity = agent.NewActivity[Text, Text](a.domain, a.activity.Name(), agent.StartToClose(d))
		}
		a.onEcho = func(ctx context.Context, in Text) (Text, error) {
			first := activity.GetInfo(ctx).Attempt == 1
			if crash := crashes[in.Text]; crash != nil && first {
				crash()
			}
			switch {
			case in.Text == "hang" && first:
				<-ctx.Done()
				return Text{}, ctx.Err()
			case in.Text == "stuck":
				select {}
			}
			return in, nil
		}
		return reg.Register(a)
	})
}

// inProcess runs the agent as playAgent does.
func inProcess(a *testAgent) registry.AgentOption {
	return registry.Process(registry.ProcessOptions{
		Args: []string{}, Output: silentOutput{},
		Env: []string{childAgent + "=" + a.Name(), "TEMPORAL_ADDRESS=" + hostPort},
	})
}

type silentOutput struct{}

func (silentOutput) Write(p []byte) (int, error) { return len(p), nil }

// crashes are ways in which an activity takes its process with it.
var crashes = map[string]func(){
	"exit":                func() { os.Exit(9) },
	"segmentation fault":  processtest.Segfault,
	"panic of no one's":   func() { go func() { panic("boom") }(); select {} },
	"memory hog":          hog,
	"goroutines, forking": func() { fork(); select {} },
	"endless loop":        spin,
}

// hogged is what hog has taken.
var hogged [][]byte

// hog takes memory until there is none.
func hog() {
	for {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hogged = append(hogged, b)
	}
}

// fork starts goroutines that start goroutines, each with some memory.
func fork() {
	b := make([]byte, 64<<10)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	go fork()
	go fork()
	<-context.Background().Done()
	b[0]++
}

// spin keeps all processors busy and looks at no context.
func spin() {
	var n atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for n.Add(1) != 0 {
			}
		}()
	}
	select {}
}

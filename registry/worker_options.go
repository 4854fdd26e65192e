package registry

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// baseWorkerOptions are, each changing what comes before: the registry's
// defaults, the agent's ConfigureWorker, WithWorkerOptions.
func baseWorkerOptions(a agent.Agent, s settings) (worker.Options, error) {
	o := worker.Options{
		DisableRegistrationAliasing: true,
		// No poller without something to do: it would take the tasks of
		// another worker on the queue and fail them.
		DisableWorkflowWorker:   len(a.Workflows()) == 0,
		LocalActivityWorkerOnly: len(a.Activities()) == 0,
		DeploymentOptions:       deploymentFromEnvironment(),
	}
	err := guard("worker options", func() error {
		if c, ok := a.(agent.WorkerConfigurer); ok {
			c.ConfigureWorker(&o)
		}
		if s.workerOptions != nil {
			s.workerOptions(&o)
		}
		return nil
	})
	return o, err
}

// deploymentFromEnvironment follows the variables that Temporal's worker
// controller sets. Running workflows move to new versions by default, since
// histories of agents' workflows are expected to replay on later versions.
func deploymentFromEnvironment() worker.DeploymentOptions {
	name, build := os.Getenv("TEMPORAL_DEPLOYMENT_NAME"), os.Getenv("TEMPORAL_WORKER_BUILD_ID")
	if name == "" || build == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: build},
		DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	}
}

// workers counts the workers of this process, for their identities.
var workers atomic.Int64

// clientIdentity is that of an agent's client: the SDK's own would not say whose it
// is.
func clientIdentity(agentName string) string { return agentName + thisProcess() }

func thisProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("@%s:%d", host, os.Getpid())
}

// newIdentity is that of a worker. A worker is known to be polling by it, so that it
// is no other's, wherever that is: base, which is the client's identity or the agent's
// name, does for many.
func newIdentity(base string) string {
	return fmt.Sprintf("%s%s#%d", strings.TrimSuffix(base, thisProcess()), thisProcess(), workers.Add(1))
}

// neverByItself as the worker's own stop timeout leaves the stop ladder to the
// registry: the SDK would cancel activities and return without waiting for
// them, and nobody would know what still runs.
const neverByItself = time.Duration(math.MaxInt64)

// instrument adds to o what the registry needs of a worker: an identity that begins
// with base, its interceptors outside of all others, a way to cancel all activities, word of
// fatal errors.
func instrument(o worker.Options, base string, r *running, fatal func(error)) (worker.Options, context.CancelCauseFunc) {
	o.Identity = cmp.Or(o.Identity, newIdentity(base))
	o.Interceptors = append([]interceptor.WorkerInterceptor{r, retry.Interceptor()}, o.Interceptors...)
	o.WorkerStopTimeout = neverByItself

	background := o.BackgroundActivityContext
	if background == nil {
		background = context.Background()
	}
	background, cancel := context.WithCancelCause(background)
	o.BackgroundActivityContext = background

	own := o.OnFatalError
	o.OnFatalError = func(err error) {
		defer fatal(err)
		if own != nil {
			_ = guard("OnFatalError", func() error { own(err); return nil })
		}
	}
	return o, cancel
}

// polledTypes are the task types that a worker with these options polls for.
func polledTypes(o worker.Options) (types []enumspb.TaskQueueType) {
	if !o.DisableWorkflowWorker {
		types = append(types, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	}
	if !o.LocalActivityWorkerOnly {
		types = append(types, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	}
	return types
}

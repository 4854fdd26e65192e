package devserver

import (
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// dynamicConfig sets the server up for one machine and one shard.
func dynamicConfig(o Options) dynamicconfig.StaticClient {
	values := dynamicconfig.StaticClient{
		// Partitions spread a task queue over several matching hosts. With one host they are a detour: a task
		// may wait in one partition while a worker polls another.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  o.Partitions,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): o.Partitions,

		// The web UI lists and counts at every click; the default of 10 a second makes it fail.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,

		// A search attribute may be used as soon as it is registered, not a cache's lifetime later.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,

		// The server never stops the workers of these: they would poll its address for the life of the process, and
		// each stop would wait a second for their polls. The scanners remove rows that a crash in mid-write or a task
		// queue long unused left behind, which do no harm here; without its worker, a parent close policy is
		// carried out by the history service itself.
		dynamicconfig.TaskQueueScannerEnabled.Key():       false,
		dynamicconfig.HistoryScannerEnabled.Key():         false,
		dynamicconfig.EnableParentClosePolicyWorker.Key(): false,

		// A worker that stops takes its polls with it. Else a task may be handed to a poll that nobody waits for any
		// more, and is lost until the task's timeout.
		dynamicconfig.EnableCancelWorkerPollsOnShutdown.Key(): true,
	}
	if o.serverDefaults {
		return values
	}

	// Tasks leave a shard's queues in reads, of which the default allows 20 a second. A cluster has hundreds of shards,
	// this server has one: after a burst of 20, each workflow task waits for the next slot of 50 ms. More than 200
	// reads a second cost throughput on a file under full load.
	values[dynamicconfig.TransferProcessorMaxPollRPS.Key()] = 200
	values[dynamicconfig.TimerProcessorMaxPollRPS.Key()] = 200

	// Timers are looked at in steps of this length, by default a second: every sleep and every retry interval below
	// it takes about a second. Longer ones are not affected.
	values[dynamicconfig.TimerProcessorMaxTimeShift.Key()] = 10 * time.Millisecond

	// Who waits for a workflow's result has a channel of length one in the server, and misses the end if it comes right
	// behind another event. With workflows of some milliseconds that is one in a hundred, or in thirty where the
	// processor is busy: its client, which asks again whenever this interval is over, then learned of the end after the
	// default of 20 seconds. Asking costs 1 ms of CPU.
	values[dynamicconfig.HistoryLongPollExpirationInterval.Key()] = 500 * time.Millisecond
	return values
}

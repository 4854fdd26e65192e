// Package lease shares what there is only so much of, one GPU say, among the
// activities of several agents, in one process or in all processes of a
// machine.
//
// A [Lease] has a name and a number of tokens, one unless it says more. An
// activity acquires a token, works, and releases it:
//
//	gpu, err := lease.New("cuda:0", lease.Options{Dir: "/run/troupe", Agent: "scgpt"})
//	…
//	release, err := gpu.Acquire(ctx)
//	if err != nil {
//		return err
//	}
//	defer release()
//
// # Why not a worker's slot
//
// Temporal's workers have slots, and a slot supplier can be shared by several
// workers. But a worker takes a slot before it polls, to have one for the task
// that may come, and holds it while it waits: of two agents that share a supplier
// of one slot, an idle one would keep the only token while the other has tasks.
// A lease is taken inside the activity, when there is work to do.
//
// # Waiting
//
// Tokens go to who asked first. Within one process that is exact. Between
// processes of one [Options].Dir, the first in line of each process takes part,
// and who of them has waited longest comes next: no process can keep the others
// from the tokens by asking again at once, however busy it is.
//
// Waiting inside an activity records heartbeats, so that the activity lives, and
// hears of its cancellation. It ends with its context; what the activity takes
// memory or files for comes after the wait.
//
// # Processes
//
// Across processes a token is a file that the operating system locks. The lock
// ends with the process that holds it, however that ends: a process that is
// killed leaves nothing behind that anyone would have to clear away. A process
// that waits looks again after at most 50 ms.
//
// The folder must lie on a file system of the machine itself, not on the
// network, and nobody may remove files from it while they are in use: a folder
// that is cleaned by age, such as /tmp, is not a good place. The processes must
// be able to write there. They must agree about the number of tokens.
package lease

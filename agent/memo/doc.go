// Package memo keeps the results of activities, so that a request that was
// computed before, by another workflow or another process, is not computed again.
// Temporal replays what one workflow has done; memo saves the device across
// workflows.
//
// An activity wraps its work in [Do]:
//
//	res, hit, err := memo.Do(ctx, store, key, []string{req.Out},
//		func(ctx context.Context, files []string) (Response, error) {
//			… // writes files[0] and returns the response
//		})
//	res.FromMemo = hit
//
// # Keys
//
// A [Key] must hold everything that the result depends on: agent, activity, the
// version of the code, the fingerprint of the model, the class of the device
// (results are the same bytes within one class only), the hash of the input's
// content, and the parameters. What only says where to put a result, such as the
// path of an output, does not belong there.
//
// # Results and files
//
// A result is stored as JSON, and the files that belong to it beside it. A hit
// writes them anew, at the paths of the request at hand, under temporary names
// that become the final ones at the end.
//
// # Where results are kept
//
// In memory, up to a size, and in a folder that any number of processes share.
// A stored result is one file, written under a temporary name and renamed; it
// carries checksums, and one that is damaged counts as missing and is computed
// again. When the folder is over its size, what was not used for the longest
// time goes first.
//
// Who computes a result holds a lock on it, and others that want the same wait
// and take what was stored: in one process and, where files can be locked, among
// processes. The lock dies with its process. Where there are no locks, or the
// folder cannot be written, work may be done twice, and nothing else happens:
// a memo that does not work is logged and is never the reason for a failure.
//
// Waiting lasts as long as the other's work, and records no heartbeats: an activity
// with a heartbeat timeout beats beside it, with agent.KeepAlive from before [Do] on,
// as it has to while it computes. So does one that is to hear of its cancellation.
//
// Whoever can write to the folder decides what results say: it needs the same
// protection as the results. Errors are not kept.
package memo

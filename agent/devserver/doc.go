// Package devserver runs a Temporal server inside the process: the real server over SQLite, in memory or in a file, with
// Temporal's web UI. Nothing has to be installed, downloaded or started beside the program.
//
//	server, err := devserver.Start(ctx, devserver.Options{})
//	...
//	defer server.Stop()
//	c, err := client.Dial(client.Options{HostPort: server.HostPort()})
//
// It serves tests and programs that one person runs on one machine. It has no authentication, one history shard and one
// SQLite connection; [Options.Host] is loopback for that reason. Its one shard starts some 30 short workflows a second,
// and fewer once thousands of them have left timers that have yet to fire. For more, run a Temporal cluster: clients and
// workers stay the same.
//
// # Ports
//
// A server listens where clients look for one, on 127.0.0.1:7233, and its UI on 8233. A Temporal server that already
// listens there is used instead (see [Server.Used]), so that several programs of one user share one; what it lacks of
// [Options.Namespaces] and [Options.SearchAttributes] is created. If another program has a port, a free one is taken.
// [Server.Notices] says in words for the user which of this happened. Tests use [AnyPort]: any free port, and never
// somebody else's server.
//
// # Files
//
// With [Options.DBFile], workflows outlive the process: the next start on the file goes on with them. A killed process
// leaves the file whole and loses nothing that a client was told is done; after a power cut, the last moments may be
// missing. While a server has the file, others get an [InUseError]; the lock, on a file beside it with ".lock" added to
// its name, ends with the process. A file of `temporal server start-dev` can be used, and the other way round, as long
// as both are of the same version of the server: SQLite databases are not migrated.
//
// # Differences from the server's defaults
//
// One shard reads its queues 200 times a second instead of 20, and timers are exact to 10 ms instead of a second: a
// workflow of two activities takes some 30 ms instead of 150, and retries and sleeps below a second take as long as they
// say. A client that waits for a result asks again twice a second instead of every 20 seconds, as the server now and
// then forgets to tell it, the more often the busier the machine is. A namespace keeps closed workflows for a day. The
// scanners for leftovers in the database do not run.
//
// A stopped server leaves some idle goroutines behind, as its libraries never end them, and no sockets or open files.
package devserver

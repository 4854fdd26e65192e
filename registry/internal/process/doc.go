// Package process runs children: it starts a program that is told by two
// inherited pipes that it is one, speaks a small protocol with it, bounds its
// memory, and makes sure that neither outlives the other's trouble.
//
// # Protocol
//
// A frame is four bytes of length, big-endian, and a JSON object, a [Message].
// Parent and child each begin with a hello that names their version of the
// protocol; they part if the versions differ. What a message holds beyond what
// its reader knows is skipped, and so are messages of unknown types: a version
// changes only when a reader of the old one would get something wrong.
//
// A frame that is too long, is cut off or holds no message ends the connection,
// for a stream that is out of step once never finds back.
package process

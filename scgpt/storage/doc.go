// Package storage says where the files of a request may lie. A worker is given
// root folders; the paths in requests, which anybody who reaches the task queue
// can write, are resolved against them, symbolic links included, before
// anything is opened.
//
// Files are local. A path with a URL scheme is refused by name, so that other
// kinds of storage can join under theirs.
package storage

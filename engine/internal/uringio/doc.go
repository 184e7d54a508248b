//go:build linux

// Package uringio is the backend on io_uring(7): loops that serve many sockets with one system call a turn.
//
// A turn is a call of Enter, which submits what the last one queued and waits; then its completions. Receiving is one
// request for the life of a connection, into buffers that all connections of a loop share: a buffer is lent to the core
// and given back at once. A short answer is queued as a send that never waits, so it has completed when Enter returns,
// whatever Enter waits for besides: one system call sends the answers of a turn and waits for the next messages. A long
// batch is written by a call of its own, which costs it little and spares the queue the waiting for a full socket.
//
// A turn is for so many completions at most; the rest are for the next one. Before it sleeps a loop may look for
// completions by itself for a moment ([Loop.await]).
//
//   - What is to be requested for a connection is noted and queued when the turn is over ([conn.settle]), so that a
//     full queue loses nothing. A watch finds connections for which nothing is under way although something should be.
//   - A completion names a slot and its generation. A connection keeps its slot, and its descriptor stays open, until
//     everything under way for it has completed.
//   - The goroutine is locked to its thread, whose ring it is. Going from it to another goroutine and back is dear:
//     this backend is for callbacks.
package uringio

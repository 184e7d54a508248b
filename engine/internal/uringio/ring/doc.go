//go:build linux

// Package ring is an io_uring of one thread: what the backend needs of io_uring_setup(2), io_uring_enter(2) and
// io_uring_register(2), and no more.
//
// Requests are queued by [Ring.Recv], [Ring.Send] and the like, and submitted by [Ring.Enter], which also waits;
// [Ring.Reap] copies the completions out. A completion is told apart by the number its request was queued with, never
// by a pointer. All memory that the kernel is told of is mapped, not Go's: what is sent is copied there.
//
// The two halves of a ring, its queues and the calls, are in queue.go. The build tag giouring has them from
// github.com/pawelgaczynski/giouring instead; such a build needs -ldflags=-checklinkname=0.
//
// A Ring belongs to the thread that called [Ring.Enable]: all calls but [Ring.Close] are that thread's.
package ring

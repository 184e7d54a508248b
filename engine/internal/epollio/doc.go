//go:build linux

// Package epollio is the default backend: loops on gnet's poller (gnet/v2/pkg/netpoll, level-triggered
// epoll), each one goroutine that serves many sockets.
//
// gnet.Run itself would not do (ARCHITECTURE.md says why), and its poller wants to be lived with:
//
//   - Trigger only to wake: the loop's mailbox does the rest.
//   - A task must not Trigger itself to go on: the task queue is drained until it is empty, and sockets
//     starve. It goes on by an eventfd, which is reported together with them.
//   - An event names a descriptor, not a connection. One closed and opened again within a batch of
//     events would get its predecessor's, so descriptors are closed by the task that ends the batch; and
//     EPOLLHUP and EPOLLERR never mean more than "read and see".
//   - It reports in the order in which descriptors became ready, so those that would hold up the others are in a set of
//     their own (lane.go), which it reports as one.
//   - There is no timeout, so a timerfd wakes the loop for its deadlines.
//   - The goroutine is never locked to a thread: before it sleeps the poller yields to those it woke.
package epollio

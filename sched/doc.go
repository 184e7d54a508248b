// Package sched decides whose turn it is to send on a connection.
//
// It knows flows, which are numbers, and bytes; not frames, channels or sockets. A flow is in a
// [Queue] only while it could send: who has nothing to send, or no window, costs nothing.
//
//	control   first in, first out, before any data
//	data      deficit round robin: each flow in turn sends its quantum of bytes
//
// Every operation is O(1) and none allocates; the links live in a table of plain numbers, [Flows],
// which the queues of one loop share.
package sched

// Package core is the SSC/1 protocol as a state machine without I/O: both sides of a connection, both
// profiles of SPEC.md (HEADER_CRC is received only, and nothing is scheduled by priorities yet).
//
//	bytes ──Feed, Step──▶ ┌──────┐ ──Event──▶ application
//	                      │ Conn │
//	bytes ◀──Next, Sent── └──────┘ ◀──Open, Send, Consume, Close, Reset── application
//	                        ▲  │
//	               Tick(now)┘  └▶ Deadline
//
// It has no goroutine, socket or clock: time is an argument, a time.Duration since an epoch of the
// caller's choice. It is used like this, by one goroutine at a time:
//
//	c.Feed(now, p) // p is borrowed until Step returns false
//	for c.Step(now, &ev) {
//		... // act on ev; any method may be called here
//	}
//	for c.Next(now, batch); batch.Len() > 0; c.Next(now, batch) {
//		... // write it, say Sent as far as the transport took it, release it
//	}
//	... // call Tick when Deadline is reached; then Step and Next again
//
// Step handles frames up to the next event, so the state is whole whenever the application acts. Next
// builds frames only when they can be written, in the order of package sched.
//
// The channels of all connections of a loop live in its [Arena], as records without pointers; what
// goroutines other than the loop's may touch of them is in [Arena] too, and nothing else.
//
// Start reading at [Conn], then state.go, then recv.go.
package core

// Package loop joins protocol cores to a backend: it is what runs on a backend's goroutine.
//
//	other goroutines ──Post──▶ mailbox ─┐
//	                                    ▼
//	socket ──Bytes──▶ ┌──────┐ ◀──── ┌──────┐        ┌──────┐
//	socket ◀─Submit── │ Conn │       │ Loop │ ◀Alarm▶│ time │
//	socket ──Sent───▶ └──────┘ ────▶ └──────┘        └──────┘
//	                      │ Events
//	                      ▼ application
//
// One goroutine at a time is inside a Loop and its Conns; a backend calls their methods only there. All
// other goroutines Post. A visit is a turn: it begins with Enter and ends with Leave, which runs what
// was posted meanwhile, so that nothing posted during a turn needs a wake-up.
//
// A backend is a Loop's [Backend] and, for each connection, a [Transport]; it calls Bytes, Sent,
// Writable and Closed of the [Conn], and Run and Expire of the [Loop].
//
// Start reading at [Conn.Bytes], then [Loop.Leave].
package loop

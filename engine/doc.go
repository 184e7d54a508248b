// Package engine carries many channels over few connections, as SSC/1 (SPEC.md) has it. It is what
// programs import.
//
// There are two ways to use it. With blocking calls, as one knows them from yamux or package net:
//
//	session, err := engine.Dial(ctx, "localhost:21331", engine.Config{})
//	stream, err := session.Open(ctx, engine.OpenOptions{Target: "echo"}) // a net.Conn
//
//	listener, err := engine.Listen("localhost:21331", engine.Config{})
//	session, err := listener.Accept(ctx)
//	stream, err := session.Accept(ctx)
//
// And with callbacks, which the blocking calls are made of: a [Handler] is called on the event loop that
// serves the connection, and sends on a [Channel]. A channel then costs some hundred bytes and no
// goroutine, a message no allocation and no system call of its own.
//
//	e, err := engine.Start(engine.Config{Handler: h})
//	addr, err := e.Listen("localhost:21331")
//
// # Goroutines
//
// The methods of Engine, Conn, Channel, Session, Stream and Listener may be called from any goroutine,
// in callbacks too, but for those that block (documented so), which must not be called in callbacks. A
// connection's callbacks come one at a time, in order. They must not block: others wait.
//
// Start reading at [Handler] and [Channel], or at [Session] and [Stream].
package engine

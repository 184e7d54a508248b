// Package netio serves a connection over any net.Conn, on any system: with one goroutine that reads and
// one that writes, and a loop of its own. It is the backend of dialled connections, of TLS and of tests.
//
// Who holds the connection's mutex is inside its loop. Several senders' frames leave in one write because the writer,
// once woken, yields before it looks what there is. What comes of bytes that were read, the reader writes itself if
// the transport is a socket and takes it at once: that is the only system call that is made inside the loop.
//
// What is posted is done by the writer; if it is in a Write that takes long, by a timer's goroutine. A failed
// write ends the connection, but only when the reader has had time to read why.
package netio

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
// # Errors
//
// What ends a stream is seen so:
//
//	                       Read                         Write, CloseWrite
//	CloseWrite by the peer io.EOF, when all is read     as before
//	CloseWrite by us       as before                    ErrClosed
//	CloseRead by us        ErrClosed                    as before
//	Close by the peer      io.EOF, when all is read     *ChannelError, ClosedError, Remote
//	Close, Reset by us     ErrClosed                    ErrClosed
//	Reset by the peer      *ChannelError, Remote        the same
//	limits, timeouts       *ChannelError                the same
//	end of the session     *ConnError, when all is read the same
//	deadline               os.ErrDeadlineExceeded       the same
//
// What this side has ended returns ErrClosed whatever else has happened, and whatever the deadline is. CloseWrite to
// a peer without half close returns ErrHalfClose, and nothing has happened. Of a session:
//
//	                       Open                   Accept     Ping      Err
//	ctx is done            its error              its error  its error nil
//	refused by the peer    *ChannelError, Refused as before  as before nil
//	either side shuts down *ChannelError, Refused as before  as before nil
//	Close by this side     ErrClosed              ErrClosed* ErrClosed ErrClosed*
//	ended when it was to   ErrClosed              ErrClosed  ErrClosed ErrClosed
//	anything else          ErrClosed              *ConnError ErrClosed *ConnError
//
// * or a *ConnError that is ErrClosed, if streams were cut off. An Open that waits while the session ends
// returns why, a *ConnError. Listener.Accept returns ErrClosed once the listener is closed, or the error of
// its context; what an Engine makes, ErrClosed once that is closed. Of a channel, and its connection:
//
//	                       Send, SendBuf  CloseWrite     SetPriority    Close      Reset
//	queue or memory full   ErrWouldBlock  nil            nil            nil        nil
//	peer unknown as yet    nil            ErrWouldBlock  ErrWouldBlock  nil        nil
//	peer has no half close nil            ErrHalfClose   nil            nil        nil
//	after CloseWrite       ErrClosed      ErrClosed      nil            nil        nil
//	after Close            ErrClosed      ErrClosed      nil            ErrClosed  nil
//	after OnClose          ErrClosed      ErrClosed      ErrClosed      ErrClosed  ErrClosed
//
// Conn.Open and Ping return ErrClosed once the connection has ended, Close and GoAway once its loop has. Why
// it did, OnClose and OnDisconnect say: nil for an end that was meant, else a *ChannelError or *ConnError.
//
// By errors.Is, the *ConnError of what Conn.Close, Session.Close or Engine.Close cut off is [ErrClosed], and
// that is net.ErrClosed. Any other *ConnError wraps what the transport said: io.EOF if it just ended, and
// io.ErrUnexpectedEOF if that cut channels off, or a frame. [ErrHalfClose] is errors.ErrUnsupported. Only
// os.ErrDeadlineExceeded is a timeout in the sense of net.Error: an error whose Code is Timeout is an end
// for good.
//
// Start reading at [Handler] and [Channel], or at [Session] and [Stream].
package engine

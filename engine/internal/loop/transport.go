package loop

import (
	"net"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// Transport is a connection of a backend. Its methods are called inside the loop.
type Transport interface {
	// Submit has a batch written. It belongs to the transport until Sent has counted all of it, or
	// until Gone. A transport that answers at once calls Sent from Submit; if it could take only a part
	// it calls Conn.Rest, writes that when it can, and then calls Writable.
	Submit(b *core.Batch)
	// WantRead says whether bytes are wanted. After WantRead(false) those already read still come.
	WantRead(on bool)
	// CloseWrite ends this side's direction, when all that was submitted is out, and returns false if it can't.
	CloseWrite() bool
	// Close ends the transport. Gone follows, perhaps at once, when the batch is free.
	Close()

	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// Events is the application of a connection. Its methods are called inside the loop; they must not
// block, and may Post.
type Events interface {
	// Up is the first call.
	Up()
	// Greeted reports a client's credentials, where they are wanted, and returns whether they are good.
	Greeted(credentials []byte) bool
	// Opened reports a channel that the peer opens, and returns NoError to accept it.
	Opened(ch core.Handle, p core.OpenParams) (codec.Code, core.Traits)
	Accepted(ch core.Handle)
	// Data borrows p.
	Data(ch core.Handle, p []byte)
	// Ended tells that the peer has ended its direction of a channel.
	Ended(ch core.Handle)
	Writable(ch core.Handle)
	// Closed is the last call for a channel. What becomes of ch is up to the application.
	Closed(ch core.Handle, end *core.End) Fate
	Ponged(seq uint32, took time.Duration)
	GoneAway()
	// Pressed tells that much of the connection's memory is used, or no more.
	Pressed(on bool)
	// Down reports the end. A word to the peer may still be on its way.
	Down(end *core.End)
	// Gone is the last call: nothing leaves any more.
	Gone()
}

// Fate is what becomes of a channel whose end was reported.
type Fate uint8

// The fates. A kept channel goes on to count for its peer; the application must let it go with Let. One
// that was useless has cost the application work, and was closed by the peer before it could be used.
const (
	Release Fate = iota
	Keep
	Useless
)

package engine

import "github.com/sscd-io/sscd/engine/internal/core"

// Handler is an application on callbacks. They are called on the loop of the connection, one at a time
// and in order, and must not block.
//
// A channel's life is OnOpen if the peer opened it, any number of OnData and OnWritable, and OnClose
// once and last. A channel that OnOpen rejected gets no more calls.
type Handler interface {
	// OnOpen is called when the peer opens a channel. The zero Answer accepts it. ch may be used at
	// once: what it sends follows the acceptance.
	OnOpen(ch Channel, r OpenRequest) Answer

	// OnData is called with bytes that came, in order. p is borrowed: it is overwritten when OnData
	// returns. Messages of up to Config.FrameSize usually come as they were sent, but a channel is a
	// stream of bytes.
	OnData(ch Channel, p []byte)

	// OnWritable is called when a channel takes messages again after ErrWouldBlock, and once when the
	// peer accepted a channel that this side opened.
	OnWritable(ch Channel)

	// OnClose is called when a channel has ended: err is nil if either side closed it, else a
	// *ChannelError or a *ConnError. ch.Context is still valid, for the last time.
	OnClose(ch Channel, err error)
}

// HalfCloser can be implemented by a Handler whose channels go on when the peer has ended its direction, as one
// that answers when it has got all does. Without it such a channel is closed, as by Channel.Close.
type HalfCloser interface {
	// OnEnd is called when no more OnData comes, though the channel has not ended. The application ends its
	// own direction with Channel.CloseWrite or Close.
	OnEnd(ch Channel)
}

// PressureHandler can be implemented by a Handler that wants to slow down before it has to.
type PressureHandler interface {
	// OnPressure is called with true when three quarters of Config.ConnMemory are used, and with false
	// when it is less than half again.
	OnPressure(c *Conn, high bool)
}

// ConnHandler can be implemented by a Handler that wants to know of connections too.
type ConnHandler interface {
	// OnConnect is the first call for a connection, accepted or dialled. For one that has no event loop to
	// be called on yet (Engine.Client and Server; Dial with Auto or Net) it is called before those return.
	OnConnect(c *Conn)

	// OnDisconnect is called when a connection has ended, after OnClose for each of its channels, but for
	// those that were opened while it ended: err is nil if it was to end and had no channels left, else a
	// *ConnError.
	OnDisconnect(c *Conn, err error)
}

// Priorities go from 0 (bulk) to 7 (urgent).
const (
	DefaultPriority = core.DefaultPriority
	maxPriority     = 7
)

// OpenRequest is what a peer said when it opened a channel. Its slices are borrowed until OnOpen
// returns.
type OpenRequest struct {
	Target   []byte // what the channel is for, in UTF-8; may be empty
	Metadata []byte // opaque
	Priority uint8  // 0 (bulk) to 7 (urgent)
}

// Answer is what OnOpen says to an OpenRequest.
type Answer struct {
	// Code rejects the channel unless it is NoError: Refused, for instance, or a code of the
	// application's own.
	Code Code

	// ManualCredit means that the peer gets window back only when the application calls
	// Channel.Consume, not whenever OnData returns. So a handler that keeps bytes bounds them.
	ManualCredit bool

	// Compress has payloads compressed that shrink by that, if Config.Compression is set on both sides.
	Compress bool
}

// OpenOptions are how to open a channel.
type OpenOptions struct {
	Target   string // what the channel is for, at most 1,024 bytes of UTF-8; empty means the default
	Metadata []byte // opaque, for the peer's handler

	// Priority is the channel's, in both directions; nil means DefaultPriority.
	Priority *uint8

	// Window fixes the channel's receive window, in bytes, less than 512 MiB; 0 means one that starts at
	// Config.Window and grows as it needs to. On a base connection it is 65,536. With less than 1,024 the
	// peer sends four times a second.
	Window int

	// Compress is as in Answer.
	Compress bool

	// Context is the channel's context from the start, as if set with SetContext.
	Context any

	// ManualCredit is as in Answer. Sessions ignore it.
	ManualCredit bool

	// NoWait lets Session.Open return before the peer has accepted, which saves a round trip. If the
	// peer refuses, reads and writes say so. Conn.Open never waits.
	NoWait bool
}

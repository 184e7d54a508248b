package core

import (
	"sync/atomic"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// Config is what connections of one engine share. Its fields must not change any more once Init was
// called with it.
type Config struct {
	Profile Profile

	// FrameSize is the longest DATA payload sent, in bytes, if the peer takes as much; 0 means 16,384.
	// More than 1 MiB counts as 1 MiB.
	FrameSize int

	// MaxFrame is the longest DATA payload accepted of extended peers; 0 means 65,536, the least.
	MaxFrame int

	// StrictPriority has data of a lower priority wait while there is some of a higher one. Otherwise each
	// has a share; see package sched.
	StrictPriority bool

	// BatchBytes is how much one batch holds at most, unless a single frame is larger; 0 means 65,160. Less is for
	// simulations, and not below what control frames need.
	BatchBytes int

	// SendQueue is how many bytes may wait on a channel; 0 means 65,536. A larger message is taken
	// when nothing waits.
	SendQueue int

	// SendLow is at how many waiting bytes a channel that was full takes more; 0 means half of
	// SendQueue.
	SendLow int

	// MaxChannels is how many channels a peer may have open on a connection; 0 means 65,536. More are
	// refused.
	MaxChannels int

	// Window is the receive window that channels opened by this side start with; 0 means 65,536. On a
	// base connection it is always that.
	Window int

	// MaxWindow is up to how many bytes the receive window of a channel grows on extended connections;
	// 0 means 16 MiB. Windows that start with as much or more keep what they have.
	MaxWindow int

	// ConnWindow is the receive window that an extended connection starts with; 0 means 512 KiB. It
	// grows up to four times MaxWindow.
	ConnWindow int

	// Compression lets peers send compressed payloads, and channels that want it use them.
	Compression bool

	// Credentials are sent to servers, which must be extended then; nil for none.
	Credentials []byte

	// WantCredentials makes a server report Greeted, and accept nothing of a client before that was
	// answered with Admit.
	WantCredentials bool

	// Software is name and version, for the peer's logs; at most 64 bytes.
	Software string

	// ConnMemory is how many bytes a connection may use for what waits to be sent and for windows
	// larger than at their start; 0 means 64 MiB. Memory, if not nil, bounds all connections together.
	ConnMemory int64
	Memory     *Budget

	// Seed is a random number that peers must not know: where ids lie in tables depends on it, and nothing that can be
	// seen from outside.
	Seed uint64

	// Hurry is set while connections run short: then clients have less time for their first frame.
	Hurry atomic.Bool

	// StartWindow is 65,536 if 0. Only simulations, where both sides agree on it, set another.
	StartWindow int

	Timeouts Timeouts

	idFactor    uint64
	fileFrame   int // FrameSize for ranges of files
	connMemory  bounds
	ask, answer []byte // HELLO
	zipper      zipper

	// Pool is where payloads that outlive a call are kept. It must not be nil.
	Pool *pool.Pool
}

// Profile is which of the two profiles of SPEC section 3 a side speaks.
type Profile uint8

// The profiles.
const (
	Negotiate    Profile = iota // extended if the peer is, else base
	BaseOnly                    // base, whatever the peer is
	ExtendedOnly                // extended; a base peer is told so and left
)

// Prepare fills the zero fields with their defaults. It must be called once before Init.
func (c *Config) Prepare() {
	set := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	if c.fileFrame = fileFrame; c.FrameSize > 0 {
		c.fileFrame = min(c.FrameSize, codec.LargestData)
	}
	set(&c.FrameSize, 16384)
	set(&c.MaxFrame, codec.MaxData)
	set(&c.BatchBytes, batchBytes)
	set(&c.SendQueue, 65536)
	set(&c.SendLow, c.SendQueue/2)
	set(&c.MaxChannels, 65536)
	set(&c.StartWindow, startWindow)
	set(&c.Window, c.StartWindow)
	set(&c.MaxWindow, 16<<20)
	set(&c.ConnWindow, 512<<10)
	if c.ConnMemory <= 0 {
		c.ConnMemory = 64 << 20
	}
	c.connMemory = bounds{c.ConnMemory, c.Memory}
	c.FrameSize = min(c.FrameSize, codec.LargestData)
	c.BatchBytes = max(c.BatchBytes, controlBytes)
	c.MaxFrame = min(max(c.MaxFrame, codec.MaxData), codec.LargestData)
	c.MaxWindow = min(max(c.MaxWindow, c.StartWindow), maxWindow/4)
	c.ConnWindow = min(max(c.ConnWindow, codec.MaxData), maxWindow)
	if c.WantCredentials && c.Timeouts.FirstFrame == 0 {
		c.Timeouts.FirstFrame = hurriedFrame
	}
	c.Timeouts.defaults()
	c.idFactor = idFactor(c.Seed)
	c.prepareHello()
}

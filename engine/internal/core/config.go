package core

import "github.com/sscd-io/sscd/pool"

// Config is what connections of one engine share. Its fields must not change any more once Init was
// called with it.
type Config struct {
	// FrameSize is the longest DATA payload sent, in bytes; 0 means 16,384. More than 65,536 counts as
	// 65,536.
	FrameSize int

	// SendQueue is how many bytes may wait on a channel; 0 means 65,536. A larger message is taken
	// when nothing waits.
	SendQueue int

	// MaxChannels is how many channels a peer may have open on a connection; 0 means 65,536. More are
	// refused.
	MaxChannels int

	// StartWindow is 65,536 if 0. Only simulations, where both sides agree on it, set another.
	StartWindow int

	Timeouts Timeouts

	// Pool is where payloads that outlive a call are kept. It must not be nil.
	Pool *pool.Pool
}

// Prepare fills the zero fields with their defaults. It must be called once before Init.
func (c *Config) Prepare() {
	if c.FrameSize <= 0 {
		c.FrameSize = 16384
	}
	c.FrameSize = min(c.FrameSize, 65536)
	if c.SendQueue <= 0 {
		c.SendQueue = 65536
	}
	if c.MaxChannels <= 0 {
		c.MaxChannels = 65536
	}
	if c.StartWindow <= 0 {
		c.StartWindow = startWindow
	}
	c.Timeouts.defaults()
}

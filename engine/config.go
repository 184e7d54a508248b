package engine

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/pool"
)

// MaxMessage is the largest message that Channel.Send takes, in bytes.
const MaxMessage = 16 << 20

// maxTimeout bounds all Timeouts; what is longer is meant to be never, and nothing waits for ever.
const maxTimeout = 7 * 24 * time.Hour

// Backend is how bytes get from and to sockets.
type Backend string

// The backends.
const (
	// Auto is Epoll for what listens, where there is epoll, and Net for what dials.
	Auto Backend = ""
	// Epoll serves many sockets with one goroutine per loop. Linux only.
	Epoll Backend = "epoll"
	// Net serves a net.Conn with two goroutines.
	Net Backend = "net"
)

// Config is how an engine, a session or a listener works. The zero value works.
type Config struct {
	// Handler gets the callbacks. Start needs it; for sessions it must be nil.
	Handler Handler

	// Backend is Auto unless set.
	Backend Backend

	// Loops is how many event loops serve sockets with Epoll; 0 means one for each processor
	// (GOMAXPROCS).
	Loops int

	// Socket tunes TCP sockets.
	Socket SocketConfig

	// FrameSize is the longest DATA payload sent, in bytes. Small frames let urgent messages pass
	// sooner, large ones cost less. 0 means 16,384; the most is 65,536.
	FrameSize int

	// SendQueue is how many bytes may wait to be sent on a channel; 0 means 65,536. A message counts at
	// least 192 bytes; one that is larger than the queue is taken when nothing waits.
	SendQueue int

	// MaxChannels is how many channels a peer may have open on one connection; 0 means 65,536. More
	// are refused.
	MaxChannels int

	// AcceptBacklog is how many streams of a session wait for Accept; 0 means 256. More are refused.
	AcceptBacklog int

	// Timeouts are the protocol's deadlines.
	Timeouts Timeouts

	// Logger gets what an operator should know; nil means slog.Default().
	Logger *slog.Logger

	// CrashOnPanic lets a panic in a callback end the process. Otherwise it is logged, and ends the
	// channel it was about with Internal.
	CrashOnPanic bool
}

// SocketConfig tunes TCP sockets. Zero values leave the kernel's defaults, but for Nagle.
type SocketConfig struct {
	ReadBuffer   int           // SO_RCVBUF, bytes
	WriteBuffer  int           // SO_SNDBUF, bytes
	Nagle        bool          // leave Nagle's algorithm on: no TCP_NODELAY
	QuickAck     bool          // TCP_QUICKACK, renewed after every read (Epoll)
	NotSentLowat int           // TCP_NOTSENT_LOWAT, bytes: how much may wait in the kernel unsent
	UserTimeout  time.Duration // TCP_USER_TIMEOUT
	Backlog      int           // of listen(2)
	ReusePort    bool          // SO_REUSEPORT: a listening socket for each loop
}

// Timeouts are the deadlines of SPEC section 5. Zero fields mean the defaults given.
type Timeouts struct {
	Keepalive  time.Duration // nothing received: PING, again PING, then the end; 30 s each
	FirstFrame time.Duration // a peer that connects must send a whole frame; 40 s
	Frame      time.Duration // a frame that has begun must be whole, plus 1 s per KiB; 30 s
	Stall      time.Duration // the socket must take some of what is to be sent; 30 s
	Opening    time.Duration // an open must be answered; 10 s
	Closing    time.Duration // a close must be acknowledged; 5 s
	CloseWait  time.Duration // data must leave so that a close can follow; 30 s
	NoWindow   time.Duration // a peer must grant window for data that waits; 5 min
	Drain      time.Duration // channels must end after Shutdown; 30 s
}

// coreTimeouts is the same type with the core's internals.
func (t Timeouts) core() core.Timeouts {
	return core.Timeouts{
		Keepalive: t.Keepalive, FirstFrame: t.FirstFrame, Frame: t.Frame, Stall: t.Stall, Opening: t.Opening,
		Closing: t.Closing, CloseWait: t.CloseWait, NoWindow: t.NoWindow, Drain: t.Drain,
	}
}

// check returns what is wrong with a Config.
func (c *Config) check() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"Loops", c.Loops, 4096},
		{"FrameSize", c.FrameSize, 65536},
		{"SendQueue", c.SendQueue, 1 << 28},
		{"MaxChannels", c.MaxChannels, 1 << 30},
		{"AcceptBacklog", c.AcceptBacklog, 1 << 20},
		{"Socket.ReadBuffer", c.Socket.ReadBuffer, 1 << 30},
		{"Socket.WriteBuffer", c.Socket.WriteBuffer, 1 << 30},
		{"Socket.NotSentLowat", c.Socket.NotSentLowat, 1 << 30},
		{"Socket.Backlog", c.Socket.Backlog, 1 << 30},
	} {
		if f.value < 0 || f.value > f.max {
			return fmt.Errorf("engine: Config.%s is %d, not 0 to %d", f.name, f.value, f.max)
		}
	}
	t := &c.Timeouts
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"Keepalive", t.Keepalive}, {"FirstFrame", t.FirstFrame}, {"Frame", t.Frame}, {"Stall", t.Stall},
		{"Opening", t.Opening}, {"Closing", t.Closing}, {"CloseWait", t.CloseWait}, {"NoWindow", t.NoWindow},
		{"Drain", t.Drain},
	} {
		if f.value < 0 || f.value > maxTimeout {
			return fmt.Errorf("engine: Config.Timeouts.%s is %v, not 0 to %v", f.name, f.value, maxTimeout)
		}
	}
	switch c.Backend {
	case Auto, Epoll, Net:
	default:
		return fmt.Errorf("engine: Config.Backend %q is unknown", c.Backend)
	}
	return nil
}

// loopConfig is what loops need of c, with all defaults filled in.
func (c *Config) loopConfig(p *pool.Pool) *loop.Config {
	cc := &core.Config{
		FrameSize: c.FrameSize, SendQueue: c.SendQueue, MaxChannels: c.MaxChannels, Pool: p,
		Timeouts: c.Timeouts.core(),
	}
	cc.Prepare()
	return &loop.Config{Core: cc, Logger: c.Logger, CrashOnPanic: c.CrashOnPanic}
}

// defaults fills in what the engine itself uses.
func (c *Config) defaults() {
	if c.Loops == 0 {
		c.Loops = runtime.GOMAXPROCS(0)
	}
	if c.AcceptBacklog == 0 {
		c.AcceptBacklog = 256
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

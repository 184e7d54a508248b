package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/pool"
)

// MaxMessage is the largest message that Channel.Send takes, in bytes.
const MaxMessage = 16 << 20

// maxWindow is the largest receive window that can be configured, in bytes.
const maxWindow = 512<<20 - 1

// maxSendQueue is the largest SendQueue, in bytes. What waits on a Stream, mostBacklog times as much, must be less than
// 512 MiB, to which the core can count.
const maxSendQueue = MaxMessage

// software is what peers are told.
const software = "sscd"

// maxTimeout bounds all Timeouts; what is longer is meant to be never, and nothing waits for ever.
const maxTimeout = 7 * 24 * time.Hour

// Profile is which of the two profiles of SPEC section 3 a side speaks.
type Profile = core.Profile

// The profiles.
const (
	Negotiate    = core.Negotiate    // extended if the peer is, else base
	BaseOnly     = core.BaseOnly     // base, whatever the peer is
	ExtendedOnly = core.ExtendedOnly // extended; base peers are left
)

// Backend is how bytes get from and to sockets.
type Backend string

// The backends.
const (
	// Auto is Epoll for what listens, where there is epoll, and Net for what dials. It is never IOUring: that costs
	// callbacks less, above all with hundreds of busy connections, but blocking calls more.
	Auto Backend = ""
	// Epoll serves many sockets with one goroutine per loop. Linux only.
	Epoll Backend = "epoll"
	// IOUring serves many sockets with one thread per loop and io_uring. Linux 6.1 or newer only; where it can't be
	// used Epoll is, and the log says why.
	IOUring Backend = "io_uring"
	// Net serves a net.Conn with two goroutines.
	Net Backend = "net"
)

// Backends returns what Config.Backend can be on this system besides Auto, the usual one first. It tries io_uring out.
func Backends() []Backend { return append(loopBackends(), Net) }

// Config is how an engine, a session or a listener works. The zero value works.
type Config struct {
	// Handler gets the callbacks. Start needs it; for sessions it must be nil.
	Handler Handler

	// Backend is Auto unless set.
	Backend Backend

	// Loops is how many event loops serve sockets with Epoll or IOUring; 0 means one for each processor
	// (GOMAXPROCS), and one for a session that no Listener made.
	Loops int

	// Socket tunes TCP sockets.
	Socket SocketConfig

	// Profile is which profile of SPEC section 3 is spoken: Negotiate unless set.
	Profile Profile

	// FrameSize is the longest DATA payload sent, in bytes, if the peer takes as much. Small frames let
	// urgent messages pass sooner, large ones cost less. 0 means 16,384, and 245,760 for files that leave by
	// sendfile(2), 61,440 where the peer takes less; the most is 1 MiB. With 24,576 or less no file leaves so.
	FrameSize int

	// MaxFrame is the longest DATA payload accepted, in bytes; 0 means 65,536, the least. The most is
	// 1 MiB. From 245,760 on, files cost a sender less that is faster than this side; urgent messages wait for
	// longer frames of them.
	MaxFrame int

	// StrictPriority has data on channels of a lower priority wait for as long as there is some of a higher
	// one, and that may be for ever. Otherwise each priority has a share of the connection, which grows with
	// it: 1, 2, 3, 4, 6, 8, 12 and 16 parts for priority 0 to 7, of those that have data.
	StrictPriority bool

	// SendQueue is how many bytes may wait to be sent on a channel, its high-water mark; 0 means 65,536, the
	// most is 16 MiB. A message counts at least 192 bytes; one that is larger than the queue is taken when nothing
	// waits. On a Stream whose bytes leave quickly as many wait as leave in about a millisecond, up to 16 times
	// SendQueue, while less than half of the memory is used.
	SendQueue int

	// SendLow is the low-water mark: how many bytes wait at most when OnWritable follows ErrWouldBlock; 0
	// means half of SendQueue, the most is 16 MiB.
	SendLow int

	// Window is the receive window of channels that this side opens, at their start; 0 means 65,536. Base
	// connections always have that.
	Window int

	// MaxWindow is up to how many bytes the receive window of a channel grows, as far as its path and its
	// reader need it; 0 means 16 MiB, and 65,536 or less that windows stay as they are. Connections have
	// a window too, of up to four times as much.
	MaxWindow int

	// ConnWindow is how many bytes may be under way to this side on a connection, at its start; 0 means
	// 512 KiB. It grows if the path needs it. Small ones let urgent messages pass sooner.
	ConnWindow int

	// ConnMemory bounds what one connection holds, in bytes: messages that wait to be sent (but for the
	// first 4 KiB of a channel), windows larger than at their start, and what streams got that nobody has
	// read. 0 means 64 MiB. Beyond it sends would block, windows do not grow, and a stream that gets more
	// is reset with Calm; when an eighth is left, opens are refused.
	ConnMemory int64

	// Memory bounds all connections of the engine together, in the same way; 0 means 1 GiB.
	Memory int64

	// Compression offers peers to send compressed payloads, and takes their offers, on channels that want
	// it (OpenOptions, Answer). It costs time and memory: off by default.
	Compression bool

	// Credentials are sent to servers by what dials, at most 1,024 bytes; nil for none. They go over
	// TLS (a *tls.Conn), the loopback, Unix sockets and net.Pipe only, unless CredentialsAnywhere; a server
	// that does not check them, because it speaks the base profile only, is left.
	Credentials         []byte
	CredentialsAnywhere bool

	// Authorize, if not nil, is asked whether a client's credentials are good, nil if it has none, before
	// anything is done for it. It is called on the loop and must not block; see Secret. Clients of the
	// base profile, which have none, are turned away. A Listener accepts who was let in only; the
	// contexts of its connections are its own.
	Authorize func(c *Conn, credentials []byte) bool

	// MaxConns is how many connections the engine accepts, where those that it dialled or was given count
	// too; 0 means what the limit of descriptors allows (Linux), else as many as come. More are closed at
	// once; from three quarters on, new ones have 10 s for their first frame.
	MaxConns int

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

// SocketConfig tunes TCP sockets. Zero values leave the kernel's defaults, but for Nagle and NotSentLowat.
type SocketConfig struct {
	ReadBuffer   int           // SO_RCVBUF, bytes
	WriteBuffer  int           // SO_SNDBUF, bytes
	Nagle        bool          // leave Nagle's algorithm on: no TCP_NODELAY
	QuickAck     bool          // TCP_QUICKACK, renewed after every read (Epoll, IOUring)
	NotSentLowat int           // TCP_NOTSENT_LOWAT, bytes: how much may wait in the kernel unsent; 0 means 65,536
	UserTimeout  time.Duration // TCP_USER_TIMEOUT
	Backlog      int           // of listen(2)
	ReusePort    bool          // SO_REUSEPORT: a listening socket for each loop; not for Unix sockets
}

// Timeouts are the deadlines of SPEC section 5. Zero fields mean the defaults given; the most is seven days.
type Timeouts struct {
	Keepalive  time.Duration // nothing received: PING, again PING, then the end; 30 s each
	FirstFrame time.Duration // a peer that connects must send a whole frame; 40 s, 10 s with Authorize
	Frame      time.Duration // a frame that has begun must be whole, plus 1 s per KiB; 30 s
	Stall      time.Duration // the socket must take some of what is to be sent; 30 s
	Opening    time.Duration // an open must be answered; 10 s
	Closing    time.Duration // a close must be acknowledged; 5 s
	CloseWait  time.Duration // data, or some of a file, must leave so that a close can follow; 30 s
	NoWindow   time.Duration // a peer must grant window for data that waits; 5 min
	Drain      time.Duration // channels must end after Shutdown; 30 s
	Idle       time.Duration // a connection must have channels, or it is ended; 0 means never
}

// core is the same with the core's type.
func (t Timeouts) core() core.Timeouts {
	return core.Timeouts{
		Keepalive: t.Keepalive, FirstFrame: t.FirstFrame, Frame: t.Frame, Stall: t.Stall, Opening: t.Opening,
		Closing: t.Closing, CloseWait: t.CloseWait, NoWindow: t.NoWindow, Drain: t.Drain, Idle: t.Idle,
	}
}

// check returns what is wrong with a Config.
func (c *Config) check() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"Loops", c.Loops, 4096},
		{"FrameSize", c.FrameSize, codec.LargestData},
		{"MaxFrame", c.MaxFrame, codec.LargestData},
		{"SendQueue", c.SendQueue, maxSendQueue},
		{"SendLow", c.SendLow, maxSendQueue},
		{"Window", c.Window, maxWindow},
		{"MaxWindow", c.MaxWindow, maxWindow},
		{"ConnWindow", c.ConnWindow, maxWindow},
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
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"ConnMemory", c.ConnMemory}, {"Memory", c.Memory}, {"MaxConns", int64(c.MaxConns)},
	} {
		if f.value < 0 {
			return fmt.Errorf("engine: Config.%s is %d, not 0 or more", f.name, f.value)
		}
	}
	if n := len(c.Credentials); n > codec.MaxCredentials {
		return fmt.Errorf("engine: Config.Credentials has %d bytes, not at most %d", n, codec.MaxCredentials)
	}
	if err := c.Timeouts.check(); err != nil {
		return err
	}
	if t := c.Socket.UserTimeout; t < 0 || t > maxTimeout {
		return fmt.Errorf("engine: Config.Socket.UserTimeout is %v, not 0 to %v", t, maxTimeout)
	}
	switch c.Backend {
	case Auto, Epoll, IOUring, Net:
	default:
		return fmt.Errorf("engine: Config.Backend %q is unknown; there are %s, %s and %s", c.Backend,
			Epoll, IOUring, Net)
	}
	switch {
	case c.Profile > ExtendedOnly:
		return fmt.Errorf("engine: Config.Profile %d is unknown", c.Profile)
	case c.Profile == BaseOnly && (c.Credentials != nil || c.Authorize != nil):
		return errors.New("engine: the base profile has no credentials")
	}
	return nil
}

// check returns what is wrong with the Timeouts of a Config.
func (t *Timeouts) check() error {
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"Keepalive", t.Keepalive}, {"FirstFrame", t.FirstFrame}, {"Frame", t.Frame}, {"Stall", t.Stall},
		{"Opening", t.Opening}, {"Closing", t.Closing}, {"CloseWait", t.CloseWait}, {"NoWindow", t.NoWindow},
		{"Drain", t.Drain}, {"Idle", t.Idle},
	} {
		if f.value < 0 || f.value > maxTimeout {
			return fmt.Errorf("engine: Config.Timeouts.%s is %v, not 0 to %v", f.name, f.value, maxTimeout)
		}
	}
	return nil
}

// loopConfig is what loops need of c, with all defaults filled in.
func (c *Config) loopConfig(p *pool.Pool) *loop.Config {
	cc := &core.Config{
		Profile: c.Profile, FrameSize: c.FrameSize, MaxFrame: c.MaxFrame, StrictPriority: c.StrictPriority,
		SendQueue: c.SendQueue, SendLow: c.SendLow, MaxChannels: c.MaxChannels, Window: c.Window,
		MaxWindow: c.MaxWindow, ConnWindow: c.ConnWindow, ConnMemory: c.ConnMemory,
		Memory: core.NewBudget(c.Memory, nil), Compression: c.Compression,
		Credentials: c.Credentials, WantCredentials: c.Authorize != nil, Software: software,
		Pool: p, Timeouts: c.Timeouts.core(), Seed: rand.Uint64(),
	}
	cc.Prepare()
	return &loop.Config{Core: cc, Logger: c.Logger, CrashOnPanic: c.CrashOnPanic}
}

// defaults fills in what the engine itself uses.
func (c *Config) defaults() {
	if c.Loops == 0 {
		c.Loops = runtime.GOMAXPROCS(0)
	}
	if c.MaxConns == 0 {
		c.MaxConns = maxConns()
	}
	if c.Memory == 0 {
		c.Memory = 1 << 30
	}
	if c.Socket.NotSentLowat == 0 {
		c.Socket.NotSentLowat = 64 << 10 // a batch: more is out of the scheduler's reach
	}
	if c.AcceptBacklog == 0 {
		c.AcceptBacklog = 256
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

//go:build linux

package evlooptest

import (
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Member is a connection of a rig and its application, which echoes unless OnData is set. Its methods are called on
// its loop.
type Member struct {
	LC   loop.Conn
	FD   int           // as it was attached
	Over chan struct{} // closed when the connection is down
	Left chan struct{} // closed when nothing leaves any more

	OnData     func(ch core.Handle, p []byte)
	OnOpened   func(ch core.Handle)
	OnWritable func(ch core.Handle)
	OnDown     func(end *core.End)

	Channels []core.Handle
	Received []byte
	End      *core.End

	r *Rig
}

// NewMember returns a member that is still to be attached.
func (r *Rig) NewMember() *Member {
	return &Member{r: r, Over: make(chan struct{}), Left: make(chan struct{})}
}

// Send queues p on a channel, as engine.Channel does.
func (m *Member) Send(ch core.Handle, p []byte) core.SendResult {
	l := m.LC.Loop()
	res := m.LC.Reserve(ch, len(p), 0)
	if res == core.SendOK && !l.Send(&m.LC, ch, p) {
		m.r.T.Error("reserved, but not sent")
	}
	return res
}

// Endlessly makes the member send on all its channels for ever, as fast as the socket takes it.
func (m *Member) Endlessly(block []byte) {
	fill := func(ch core.Handle) {
		for m.Send(ch, block) == core.SendOK {
		}
	}
	m.OnOpened, m.OnWritable = fill, fill
}

// Full returns whether the socket takes nothing.
func (m *Member) Full() bool { return Ready(m.FD, unix.POLLOUT) == 0 }

// Up implements loop.Events, as the methods below do.
func (m *Member) Up() {}

// Opened accepts the channel.
func (m *Member) Opened(ch core.Handle, _ core.OpenParams) (codec.Code, core.Traits) {
	m.Channels = append(m.Channels, ch)
	if m.OnOpened != nil {
		m.OnOpened(ch)
	}
	return codec.NoError, 0
}

// Data echoes.
func (m *Member) Data(ch core.Handle, p []byte) {
	if m.OnData != nil {
		m.OnData(ch, p)
	} else if m.Send(ch, p) != core.SendOK {
		m.r.T.Error("an echo is not sent: grant more, or send less")
	}
}

// Writable calls OnWritable.
func (m *Member) Writable(ch core.Handle) {
	if m.OnWritable != nil {
		m.OnWritable(ch)
	}
}

// Down notes the end.
func (m *Member) Down(end *core.End) {
	m.End = end
	if m.OnDown != nil {
		m.OnDown(end)
	}
	close(m.Over)
}

// Gone closes Left.
func (m *Member) Gone() { close(m.Left) }

// What follows is of no use to these tests.

// Accepted does nothing.
func (m *Member) Accepted(core.Handle) {}

// Closed lets go of the channel.
func (m *Member) Closed(core.Handle, *core.End) loop.Fate { return loop.Release }

// Ponged does nothing.
func (m *Member) Ponged(uint32, time.Duration) {}

// GoneAway does nothing.
func (m *Member) GoneAway() {}

// Greeted lets everybody in.
func (m *Member) Greeted([]byte) bool { return true }

// Ended does nothing.
func (m *Member) Ended(core.Handle) {}

// Pressed does nothing.
func (m *Member) Pressed(bool) {}

// Join attaches one end of a socket pair to a loop, and returns who speaks at the other.
func (r *Rig) Join(l evloop.Server) (*Member, *Peer) {
	r.T.Helper()
	p := Pair(r.T)
	return r.Attach(l, p[0]), NewPeer(r.T, p[1])
}

// JoinTCP is Join over TCP. set tunes the loop's end before anything is sent.
func (r *Rig) JoinTCP(l evloop.Server, set ...func(fd int)) (*Member, *Peer) {
	r.T.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.T.Fatal(err)
	}
	defer ln.Close()
	theirs, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		r.T.Fatal(err)
	}
	ours, err := ln.Accept()
	if err != nil {
		r.T.Fatal(err)
	}
	defer ours.Close()
	f, err := ours.(*net.TCPConn).File()
	if err != nil {
		r.T.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		r.T.Fatal(err)
	}
	unix.SetNonblock(fd, true)
	for _, f := range set {
		f(fd)
	}
	return r.Attach(l, fd), OfConn(r.T, theirs)
}

// Attach serves fd on a loop. set is called with the member before.
func (r *Rig) Attach(l evloop.Server, fd int, set ...func(*Member)) *Member {
	r.T.Helper()
	m := r.NewMember()
	for _, f := range set {
		f(m)
	}
	attach := func() {
		m.FD = fd
		if err := l.Attach(fd, &m.LC, m, false, false); err != nil {
			r.T.Error(err)
		}
	}
	if r.runs {
		r.Inside(l, attach)
		return m
	}
	evloop.Of(l).Enter()
	attach()
	evloop.Of(l).Leave()
	return m
}

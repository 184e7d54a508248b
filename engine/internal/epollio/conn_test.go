//go:build linux

package epollio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// tiny makes a socket that takes little at a time.
func tiny(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1) }

// Thousands of messages, each two pieces of memory, for a socket that takes little and a peer that reads
// odd amounts: they arrive byte by byte as they were sent.
func TestManyPiecesIntoASmallSocket(t *testing.T) {
	t.Run("tcp", func(t *testing.T) {
		r := serve(t, 1, func(c *core.Config) { c.SendQueue = 4 << 20 })
		m, p := r.joinTCP(r.loops[0], tiny)
		manyPieces(t, r, m, p)
	})
	t.Run("unix", func(t *testing.T) { // takes parts of a batch more often
		r := serve(t, 1, func(c *core.Config) { c.SendQueue = 4 << 20 })
		m, p := r.join(r.loops[0])
		tiny(m.fd)
		manyPieces(t, r, m, p)
	})
}

func manyPieces(t *testing.T, r *rig, m *member, p *peer) {
	l := r.loops[0]
	const channels, messages = 3, 800
	size := func(i int) int { return 600 + i%7 } // more than is copied beside a header
	want := make(map[string][]byte)
	for i := range channels {
		for j := range messages {
			name := fmt.Sprint("DATA ", 2*i+1)
			want[name] = append(want[name], pattern(size(j), i<<16+j)...)
		}
	}
	r.inside(l, func() {
		m.onOpened = func(ch core.Handle) {
			i := len(m.channels) - 1
			for j := range messages {
				if m.send(ch, pattern(size(j), i<<16+j)) != core.SendOK {
					t.Error("not sent")
				}
			}
		}
	})
	all := opens(channels)
	for i := range channels {
		all = append(all, grant(uint32(2*i+1), 1<<30)...)
	}
	p.say(all)
	until(t, "a full socket", func() bool {
		full := false
		r.inside(l, func() { full = m.conn().rest != nil })
		return full
	})
	p.r.Reset(odd{p.nc, rand.New(rand.NewPCG(3, 4))})
	got := make(map[string][]byte)
	for n := 0; n < channels*messages; {
		kind, payload, err := p.read()
		if err != nil {
			t.Fatal(err)
		}
		if len(payload) > 0 {
			n++
		}
		got[kind] = append(got[kind], payload...)
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s: %d bytes of %d, or others", name, len(got[name]), len(want[name]))
		}
	}
	until(t, "peace", func() bool {
		yes := false
		r.inside(l, func() { yes = m.conn().rest == nil && m.conn().interest == readable })
		return yes
	})
}

// odd reads odd amounts.
type odd struct {
	net.Conn
	rnd *rand.Rand
}

func (o odd) Read(p []byte) (int, error) { return o.Conn.Read(p[:1+o.rnd.IntN(min(len(p), 3000))]) }

// A batch was written up to each of its bytes, and goes on from there.
func TestWritingGoesOnAtEveryByte(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	p := pair(t)
	tiny(p[0])
	m := r.attach(l, p[0])
	defer unix.Close(p[1])
	unix.Write(p[1], append(opens(1), grant(1, 1<<30)...))
	l.event(m.fd, unix.EPOLLIN, 0)
	drain(t, p[1])
	for cut := 0; ; cut++ {
		fill(m.fd)
		var want []byte
		for i, n := range []int{5, 520, 30, 513} { // pieces: a copy, a reference, a copy, a reference
			msg := pattern(n, cut+i)
			m.send(m.channels[0], msg)
			want = append(want, frame(codec.Data, 1, msg)...)
		}
		if cut == len(want) {
			break
		}
		l.endOfBatch(nil)
		drain(t, p[1])
		c := m.conn()
		if c.rest == nil || c.rest.Len() != len(want) || c.interest != readable|writable {
			t.Fatalf("a full socket: rest %v, interest %b", c.rest, c.interest)
		}
		c.sent = cut
		m.lc.Sent(cut)
		var got []byte
		for tries := 0; c.rest != nil && tries < 100; tries++ {
			l.event(m.fd, unix.EPOLLOUT, 0)
			got = append(got, drain(t, p[1])...)
		}
		if !bytes.Equal(got, want[cut:]) {
			t.Fatalf("from byte %d on: %d bytes, want %d, or others", cut, len(got), len(want)-cut)
		}
		if c.interest != readable {
			t.Fatalf("all is sent; interest %b", c.interest)
		}
	}
}

// fill writes until the socket is full.
func fill(fd int) {
	for junk := make([]byte, 4096); ; {
		if _, err := unix.Write(fd, junk); err != nil {
			return
		}
	}
}

// drain reads what there is.
func drain(t *testing.T, fd int) (all []byte) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EAGAIN {
			return all
		}
		if n <= 0 || err != nil {
			t.Fatal(n, err)
		}
		all = append(all, buf[:n]...)
	}
}

// A write fails in the middle of what a connection does. It learns of it when that is over, with what the
// kernel said, wherever the write came from.
func TestAWriteFails(t *testing.T) {
	for name, write := range map[string]func(l *Loop, m *member){
		"in a run":    func(l *Loop, m *member) { l.endOfBatch(nil) },
		"in an event": func(l *Loop, m *member) { l.event(m.fd, unix.EPOLLOUT, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			l := r.loops[0]
			p := pair(t)
			m := r.attach(l, p[0])
			unix.Write(p[1], opens(1))
			l.event(m.fd, unix.EPOLLIN, 0)
			l.endOfBatch(nil)
			drain(t, p[1])
			if name == "in an event" { // it goes on when the socket has room
				tiny(m.fd)
				fill(m.fd)
				m.send(m.channels[0], []byte("is anybody there"))
				l.endOfBatch(nil)
			}
			unix.Close(p[1])
			m.send(m.channels[0], []byte("is anybody there"))
			write(l, m)
			if m.end == nil || !errors.Is(m.end.Err, unix.EPIPE) {
				t.Errorf("the end: %+v", m.end)
			}
			if len(l.broken) != 0 {
				t.Errorf("%d connections still to be told", len(l.broken))
			}
			l.endOfBatch(nil)
			if alive(m.fd) {
				t.Error("the descriptor is open")
			}
		})
	}
}

// What the peer said before a write failed is heard first, however much it is: it may explain the end. If it
// does not, the failed write is the reason.
func TestTheLastWordsAreRead(t *testing.T) {
	words := pattern(60_000, 0)
	goodbye := frame(codec.Error, 0, append(binary.BigEndian.AppendUint32(nil, uint32(codec.Calm)), "too much"...))
	for name, last := range map[string][]byte{"error": goodbye, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			l := r.loops[0]
			p := pair(t)
			m := r.attach(l, p[0])
			m.onData = func(_ core.Handle, b []byte) { m.received = append(m.received, b...) }
			unix.Write(p[1], opens(2))
			l.event(m.fd, unix.EPOLLIN, 0)
			l.endOfBatch(nil)
			drain(t, p[1])
			for _, b := range [][]byte{frame(codec.Data, 1, words), frame(codec.Data, 3, words), last} { // more than one read
				if n, err := unix.Write(p[1], b); n != len(b) || err != nil {
					t.Fatal(n, err)
				}
			}
			unix.Close(p[1])
			m.send(m.channels[0], []byte("are you there"))
			l.endOfBatch(nil)
			if want := append(words[:len(words):len(words)], words...); !bytes.Equal(m.received, want) {
				t.Errorf("%d bytes were received before the end, or others", len(m.received))
			}
			switch end := m.end; {
			case end == nil:
				t.Error("no end")
			case last != nil && (end.Code != codec.Calm || !end.Remote || end.Reason != "too much"):
				t.Errorf("the end: %+v", end)
			case last == nil && !errors.Is(end.Err, unix.EPIPE):
				t.Errorf("the end: %+v", end)
			}
		})
	}
}

// A peer that never stops talking, on a connection that can't be written any more: it is not heard out.
func TestTheLastWordsAreFew(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	p := pair(t)
	m := r.attach(l, p[0])
	unix.Write(p[1], append(opens(1), frame(codec.Data, 1, []byte("echo"))...))
	unix.Shutdown(m.fd, unix.SHUT_WR)
	unix.SetNonblock(p[1], false)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer unix.Shutdown(m.fd, unix.SHUT_RD)
	wg.Go(func() {
		defer unix.Close(p[1])
		for junk := make([]byte, 64<<10); ; {
			if _, err := unix.Write(p[1], junk); err != nil {
				return
			}
		}
	})
	l.event(m.fd, unix.EPOLLIN, 0)
	l.endOfBatch(nil)
	if n := l.Loop.Stats.BytesIn.Load(); m.end == nil || n > lastBytes+2*loop.MaxGulp {
		t.Errorf("the end: %+v, after %d bytes", m.end, n)
	}
}

// A read fails: a peer that had bytes unread and closed resets the connection.
func TestAPeerThatResets(t *testing.T) {
	r := serve(t, 1)
	m, p := r.joinTCP(r.loops[0])
	p.say(opens(1))
	p.want("ACK 1")
	p.nc.(*net.TCPConn).SetLinger(0)
	p.close()
	r.wait("the end", m.gone)
	if !errors.Is(m.end.Err, unix.ECONNRESET) {
		t.Errorf("the end: %+v", m.end)
	}
}

// What the socket is can be asked from any goroutine, until the connection has ended.
func TestSocketOfAConnection(t *testing.T) {
	r := serve(t, 1)
	l := r.loops[0]
	m, p := r.joinTCP(l, func(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 5000) })
	c := m.conn()
	if c.LocalAddr().String() != p.nc.RemoteAddr().String() || c.RemoteAddr().String() != p.nc.LocalAddr().String() {
		t.Errorf("from %v to %v; the peer from %v to %v", c.LocalAddr(), c.RemoteAddr(), p.nc.LocalAddr(), p.nc.RemoteAddr())
	}
	if o, err := c.Options(); err != nil || o.ReadBuffer != 10_000 {
		t.Errorf("options %+v, %v", o, err)
	}
	p.close()
	r.wait("the end", m.gone)
	until(t, "an error", func() bool {
		_, err := c.Options()
		return errors.Is(err, net.ErrClosed)
	})
	if c.RemoteAddr() == nil || c.LocalAddr().Network() != "tcp" {
		t.Error("a connection that has ended has no address")
	}
	unixConn, _ := r.join(l)
	if a := unixConn.conn().RemoteAddr(); a.Network() != "unix" {
		t.Errorf("the peer of a Unix socket is %v", a)
	}
}

// Quick ACKs are asked for after every read, where they are wanted.
func TestQuickAckAfterEveryRead(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	for _, want := range []bool{false, true} {
		m, p := r.joinTCP(l)
		m.conn().quickAck = want
		for range 2 {
			unix.SetsockoptInt(m.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
			p.say(frame(codec.FirstExtension, 0, nil))
			until(t, "bytes", func() bool { return ready(t, l, m.fd)&unix.EPOLLIN != 0 })
			l.event(m.fd, unix.EPOLLIN, 0)
			if o, err := m.conn().Options(); err != nil || o.QuickAck != want {
				t.Errorf("want quick ACKs: %v; options %+v, %v", want, o, err)
			}
		}
	}
}

// The loops end in the middle of everything: peers that were never heard of, that wait, that are sent to,
// that do not read, that connect. The rig looks for what is left.
func TestStopEndsEverything(t *testing.T) {
	r := serve(t, 2, func(c *core.Config) { c.SendQueue = 1 << 20 })
	d := r.listen("127.0.0.1:0")
	var peers []*peer
	for range 5 {
		peers = append(peers, d.dial(t))
	}
	for i, l := range r.loops {
		_, silent := r.join(l)
		_, open := r.join(l)
		open.say(opens(100))
		full, deaf := r.joinTCP(l, tiny)
		r.inside(l, func() { endlessly(full, pattern(16384, 0)) })
		deaf.say(opens(3), frame(codec.Data, 1, pattern(50_000, 0))[:30_000])
		until(t, "a full socket", func() bool {
			yes := false
			r.inside(l, func() { yes = full.conn().rest != nil })
			return yes
		})
		r.inside(l, func() { // nobody has looked at these when the end comes
			full.send(full.channels[0], pattern(1000, i))
		})
		peers = append(peers, silent, open, deaf)
	}
	_, last := r.join(r.loops[0])
	peers = append(peers, last)
	r.stop()
	r.stop() // once more does no harm
	for i, p := range peers {
		p.nc.SetReadDeadline(time.Now().Add(patience))
		for {
			if _, _, err := p.read(); err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					t.Errorf("peer %d waits for the end", i)
				}
				break
			}
		}
	}
	for i, l := range r.loops {
		if l.Loop.Post(callNothing) {
			t.Errorf("loop %d takes posts", i)
		}
	}
}

//go:build linux

package evloop_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

var callNothing = loop.Op{Kind: loop.Call, Func: func() {}}

// Thousands of messages, each two pieces of memory, for a socket that takes little and a peer that reads
// odd amounts: they arrive byte by byte as they were sent.
func TestManyPiecesIntoASmallSocket(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		for _, kind := range []string{"tcp", "unix"} { // unix takes parts of a batch more often
			t.Run(kind, func(t *testing.T) {
				r := evlooptest.Serve(t, maker, 1, func(c *core.Config) { c.SendQueue = 4 << 20 })
				if kind == "tcp" {
					m, p := r.JoinTCP(r.Loops[0], evlooptest.Tiny)
					manyPieces(t, r, m, p)
					return
				}
				m, p := r.Join(r.Loops[0])
				evlooptest.Tiny(m.FD)
				manyPieces(t, r, m, p)
			})
		}
	})
}

func manyPieces(t *testing.T, r *evlooptest.Rig, m *evlooptest.Member, p *evlooptest.Peer) {
	l := r.Loops[0]
	const channels, messages = 3, 800
	size := func(i int) int { return 600 + i%7 } // more than is copied beside a header
	want := make(map[string][]byte)
	for i := range channels {
		for j := range messages {
			name := fmt.Sprint("DATA ", 2*i+1)
			want[name] = append(want[name], evlooptest.Pattern(size(j), i<<16+j)...)
		}
	}
	r.Inside(l, func() {
		m.OnOpened = func(ch core.Handle) {
			i := len(m.Channels) - 1
			for j := range messages {
				if m.Send(ch, evlooptest.Pattern(size(j), i<<16+j)) != core.SendOK {
					t.Error("not sent")
				}
			}
		}
	})
	p.Say(evlooptest.Opens(channels), evlooptest.Grants(channels, 1<<30))
	evlooptest.Until(t, "a full socket", m.Full)
	p.R.Reset(odd{p.NC, rand.New(rand.NewPCG(3, 4))})
	got := make(map[string][]byte)
	for n := 0; n < channels*messages; {
		kind, payload, err := p.Read()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(kind, "DATA") && len(payload) > 0 {
			n++
		}
		got[kind] = append(got[kind], payload...)
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s: %d bytes of %d, or others", name, len(got[name]), len(want[name]))
		}
	}
	quiet(t)
}

// odd reads odd amounts.
type odd struct {
	net.Conn
	rnd *rand.Rand
}

func (o odd) Read(p []byte) (int, error) { return o.Conn.Read(p[:1+o.rnd.IntN(min(len(p), 3000))]) }

// sink is a transport that keeps what it is to write.
type sink struct {
	lc    *loop.Conn
	batch *core.Batch
}

func (s *sink) Submit(b *core.Batch) { s.batch = b }
func (s *sink) WantRead(bool)        {}
func (s *sink) CloseWrite() bool     { return true }
func (s *sink) Close()               { s.lc.Gone() }
func (s *sink) LocalAddr() net.Addr  { return nil }
func (s *sink) RemoteAddr() net.Addr { return nil }

// A batch was written up to each of its bytes, and goes on from there, however little a socket takes.
func TestWritingGoesOnAtEveryByte(t *testing.T) {
	r := evlooptest.New(t, backends[0].maker, 1)
	l := evloop.Of(r.Loops[0])
	m := r.NewMember()
	s := &sink{lc: &m.LC}
	l.Enter()
	l.Attach(&m.LC, s, m, false)
	m.LC.Bytes(append(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30)...))
	l.Leave()
	l.Run()
	m.LC.Sent(s.batch.Len())
	var want []byte
	for i, n := range []int{5, 520, 30, 513} { // pieces: a copy, a reference, a copy, a reference
		msg := evlooptest.Pattern(n, i)
		m.Send(m.Channels[0], msg)
		want = append(want, evlooptest.Frame(codec.Data, 1, msg)...)
	}
	l.Run()
	b := s.batch
	if b.Len() != len(want) || len(b.Slices) < 3 {
		t.Fatalf("a batch of %d bytes in %d pieces, want %d", b.Len(), len(b.Slices), len(want))
	}
	for cut := range want {
		writeFrom(t, b, cut, want)
	}
	m.LC.Sent(b.Len())
}

// writeFrom writes a batch from a byte on.
func writeFrom(t *testing.T, b *core.Batch, cut int, want []byte) {
	p := evlooptest.Pair(t)
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	evlooptest.Tiny(p[0])
	var s evloop.Socket
	s.Init(p[0], nil, false)
	var room evloop.Pieces
	var got []byte
	for sent := cut; sent < len(want); {
		n, err := s.Write(b, sent, &room)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			got = append(got, evlooptest.Drain(t, p[1])...)
		}
		sent += n
	}
	if got = append(got, evlooptest.Drain(t, p[1])...); !bytes.Equal(got, want[cut:]) {
		t.Fatalf("from byte %d on: %d bytes, want %d, or others", cut, len(got), len(want)-cut)
	}
}

// onCue has f called, once, when the peer's next message on channel 1 is handled; what it sends is sent in that turn.
func onCue(r *evlooptest.Rig, m *evlooptest.Member, f func(ch core.Handle)) {
	r.Wait("a call", m.LC.Loop().Call(func() {
		then := m.OnData
		m.OnData = func(ch core.Handle, _ []byte) {
			m.OnData = then
			f(ch)
		}
	}))
}

// A write fails in the middle of what a connection does. It learns of it when that is over, with what the kernel said,
// wherever the write came from.
func TestAWriteFails(t *testing.T) {
	for _, c := range []struct {
		name string
		size int  // of what is sent
		full bool // the socket is full before, so it is written when there is room
	}{{"short", 20, false}, {"long", 60_000, false}, {"short, waiting", 20, true}, {"long, waiting", 60_000, true}} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, maker evlooptest.Maker) {
				r := evlooptest.Serve(t, maker, 1)
				m, p := r.Join(r.Loops[0])
				p.Say(evlooptest.Opens(1), evlooptest.Grant(1, 1<<20))
				p.Want("ACK 1")
				if c.full {
					evlooptest.Tiny(m.FD)
					evlooptest.Fill(m.FD)
				}
				onCue(r, m, func(ch core.Handle) {
					if !c.full {
						p.Close()
					}
					m.Send(ch, evlooptest.Pattern(c.size, 0))
				})
				p.Say(evlooptest.Frame(codec.Data, 1, []byte("now")))
				if c.full {
					evlooptest.Until(t, "a read", func() bool { return evlooptest.Unread(m.FD) == 0 })
					r.Inside(r.Loops[0], func() {})
					p.Close()
				}
				r.Wait("the end", m.Over)
				r.Wait("the very end", m.Left)
				if !errors.Is(m.End.Err, unix.EPIPE) && !(c.full && errors.Is(m.End.Err, unix.ECONNRESET)) {
					t.Errorf("the end: %+v", m.End)
				}
				evlooptest.Until(t, "the descriptor to be closed", func() bool { return !evlooptest.Alive(m.FD) })
			})
		})
	}
}

// What the peer said before a write failed is heard first, however much it is: it may explain the end. If it
// does not, the failed write is the reason.
func TestTheLastWordsAreRead(t *testing.T) {
	words := evlooptest.Pattern(60_000, 0)
	code := binary.BigEndian.AppendUint32(nil, uint32(codec.Calm))
	goodbye := evlooptest.Frame(codec.Error, 0, append(code, "too much"...))
	for name, last := range map[string][]byte{"error": goodbye, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, maker evlooptest.Maker) {
				r := evlooptest.Serve(t, maker, 1)
				l := r.Loops[0]
				p := evlooptest.Pair(t)
				m := r.Attach(l, p[0], func(m *evlooptest.Member) {
					m.OnData = func(_ core.Handle, b []byte) { m.Received = append(m.Received, b...) }
				})
				unix.Write(p[1], evlooptest.Opens(2))
				evlooptest.Until(t, "both channels", func() (yes bool) {
					r.Inside(l, func() { yes = len(m.Channels) == 2 })
					return yes
				})
				evlooptest.Until(t, "an answer", func() bool { return evlooptest.Unread(p[1]) > 0 })
				evlooptest.Drain(t, p[1])
				onCue(r, m, func(ch core.Handle) {
					for _, b := range [][]byte{ // more than one read
						evlooptest.Frame(codec.Data, 1, words), evlooptest.Frame(codec.Data, 3, words), last,
					} {
						if n, err := unix.Write(p[1], b); n != len(b) || err != nil {
							t.Error(n, err)
						}
					}
					unix.Close(p[1])
					m.Send(ch, []byte("are you there"))
				})
				unix.Write(p[1], evlooptest.Frame(codec.Data, 1, []byte("now")))
				r.Wait("the end", m.Over)
				if want := append(words[:len(words):len(words)], words...); !bytes.Equal(m.Received, want) {
					t.Errorf("%d bytes were received before the end, or others", len(m.Received))
				}
				switch end := m.End; {
				case last != nil && (end.Code != codec.Calm || !end.Remote || end.Reason != "too much"):
					t.Errorf("the end: %+v", end)
				case last == nil && !errors.Is(end.Err, unix.EPIPE):
					t.Errorf("the end: %+v", end)
				}
			})
		})
	}
}

// A write fails on a connection that does not want bytes: it ends all the same.
func TestAWriteFailsWhileReadingPauses(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		l := r.Loops[0]
		for _, when := range []string{"at once", "after"} {
			m, p := r.Join(l)
			p.Say(evlooptest.Opens(1))
			p.Want("ACK 1")
			pause := func() { m.LC.Transport().WantRead(false) }
			onCue(r, m, func(ch core.Handle) {
				p.Say(evlooptest.Frame(codec.Data, 1, evlooptest.Pattern(30_000, 0)))
				m.OnData = func(core.Handle, []byte) {
					if when == "after" {
						pause()
					}
				}
				p.Close()
				m.Send(ch, []byte("are you there"))
				if when == "at once" {
					pause()
				}
			})
			p.Say(evlooptest.Frame(codec.Data, 1, []byte("now")))
			r.Wait("the end, reading pauses "+when, m.Over)
			if !errors.Is(m.End.Err, unix.EPIPE) {
				t.Errorf("reading pauses %s; the end: %+v", when, m.End)
			}
		}
	})
}

// Nonsense, and with it the end of the peer's direction: it is told all the same what is wrong.
func TestNonsenseIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		_, p := r.JoinTCP(r.Loops[0])
		greet(p)
		release := r.Hold(r.Loops[0])
		defer release()
		p.Say([]byte("GET / HTTP/1.1\r\n\r\n"))
		p.CloseWrite()
		release()
		p.Want("ERROR 0")
		p.WantEnd()
	})
}

// A read fails: a peer that had bytes unread and closed resets the connection.
func TestAPeerThatResets(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		m, p := r.JoinTCP(r.Loops[0])
		greet(p)
		p.NC.(*net.TCPConn).SetLinger(0)
		p.Close()
		r.Wait("the end", m.Over)
		if !errors.Is(m.End.Err, unix.ECONNRESET) {
			t.Errorf("the end: %+v", m.End)
		}
	})
}

// What the socket is can be asked from any goroutine, until the connection has ended.
func TestSocketOfAConnection(t *testing.T) {
	type socket interface {
		loop.Transport
		Options() (sock.Options, error)
	}
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		m, p := r.JoinTCP(r.Loops[0], func(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 5000) })
		c := m.LC.Transport().(socket)
		if local, remote := p.NC.LocalAddr(), p.NC.RemoteAddr(); c.LocalAddr().String() != remote.String() || c.RemoteAddr().String() != local.String() {
			t.Errorf("from %v to %v; the peer from %v to %v", c.LocalAddr(), c.RemoteAddr(), local, remote)
		}
		if o, err := c.Options(); err != nil || o.ReadBuffer != 10_000 {
			t.Errorf("options %+v, %v", o, err)
		}
		p.Close()
		r.Wait("the end", m.Over)
		evlooptest.Until(t, "an error", func() bool {
			_, err := c.Options()
			return errors.Is(err, net.ErrClosed)
		})
		if c.RemoteAddr() == nil || c.LocalAddr().Network() != "tcp" {
			t.Error("a connection that has ended has no address")
		}
		u, _ := r.Join(r.Loops[0])
		if a := u.LC.Transport().RemoteAddr(); a.Network() != "unix" {
			t.Errorf("the peer of a Unix socket is %v", a)
		}
	})
}

// Quick ACKs are asked for after every read, where they are wanted.
func TestQuickAckAfterEveryRead(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 1)
		l := r.Loops[0]
		for _, want := range []bool{false, true} {
			m, p := joinQuick(t, r, l, want)
			for range 2 {
				unix.SetsockoptInt(m.FD, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
				reads := evloop.Of(l).Stats.Reads.Load()
				p.Say(evlooptest.Frame(codec.FirstExtension, 0, nil))
				evlooptest.Until(t, "a read", func() bool { return evloop.Of(l).Stats.Reads.Load() > reads })
				r.Inside(l, func() {})
				if got, err := unix.GetsockoptInt(m.FD, unix.IPPROTO_TCP, unix.TCP_QUICKACK); err != nil || got != 0 != want {
					t.Errorf("want quick ACKs: %v; set: %d, %v", want, got, err)
				}
			}
		}
	})
}

// joinQuick is JoinTCP with or without quick ACKs.
func joinQuick(t *testing.T, r *evlooptest.Rig, l evloop.Server, quick bool) (m *evlooptest.Member, p *evlooptest.Peer) {
	m = r.NewMember()
	fd := listenFD(t, "127.0.0.1:0")
	a, err := evloop.Accept(l, fd, quick, r.Cfg.Logger, func() evloop.Server { return l },
		func() (*loop.Conn, loop.Events) { return &m.LC, m })
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	p = (&evlooptest.Door{Acceptor: a, Where: a.Addr().String()}).Dial(t)
	evlooptest.Until(t, "the connection", func() (yes bool) {
		r.Inside(l, func() { yes = m.LC.Transport() != nil })
		return yes
	})
	r.Inside(l, func() { m.FD = m.LC.Transport().(interface{ FD() int }).FD() })
	return m, p
}

// The loops end in the middle of everything: peers that were never heard of, that wait, that are sent to,
// that do not read, that connect. The rig looks for what is left.
func TestStopEndsEverything(t *testing.T) {
	each(t, func(t *testing.T, maker evlooptest.Maker) {
		r := evlooptest.Serve(t, maker, 2, func(c *core.Config) { c.SendQueue = 1 << 20 })
		d := r.Listen("127.0.0.1:0")
		var peers []*evlooptest.Peer
		for range 5 {
			peers = append(peers, d.Dial(t))
		}
		for i, l := range r.Loops {
			_, silent := r.Join(l)
			_, open := r.Join(l)
			open.Say(evlooptest.Opens(100))
			full, deaf := r.JoinTCP(l, evlooptest.Tiny)
			paused, unheard := r.Join(l)
			r.Inside(l, func() { paused.LC.Transport().WantRead(false) })
			unheard.Say(evlooptest.Opens(1))
			r.Inside(l, func() { full.Endlessly(evlooptest.Pattern(16384, 0)) })
			deaf.Say(evlooptest.Opens(3), evlooptest.Frame(codec.Data, 1, evlooptest.Pattern(50_000, 0))[:30_000])
			evlooptest.Until(t, "a full socket", full.Full)
			r.Inside(l, func() { // nobody has looked at these when the end comes
				full.Send(full.Channels[0], evlooptest.Pattern(1000, i))
			})
			peers = append(peers, silent, open, deaf, unheard)
		}
		_, last := r.Join(r.Loops[0])
		peers = append(peers, last)
		begin := time.Now()
		r.Stop()
		if took := time.Since(begin); took > 900*time.Millisecond {
			t.Errorf("the end took %v", took)
		}
		r.Stop() // once more does no harm
		for i, p := range peers {
			p.NC.SetReadDeadline(time.Now().Add(evlooptest.Patience))
			if _, err := io.Copy(io.Discard, p.R); err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					t.Errorf("peer %d waits for the end", i)
				}
			}
		}
		for i, l := range r.Loops {
			if evloop.Of(l).Post(callNothing) {
				t.Errorf("loop %d takes posts", i)
			}
		}
	})
}

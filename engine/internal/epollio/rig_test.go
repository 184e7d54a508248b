//go:build linux

package epollio

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/pool"
)

func TestMain(m *testing.M) {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // so that Go has its own poller by now
		l.Close()
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// rig is epoll loops and what an engine would give them.
type rig struct {
	t     testing.TB
	cfg   *loop.Config
	pool  *pool.Pool
	loops []*Loop
	wakes []*atomic.Int64 // of each loop
	runs  bool            // Serve was called
}

// counted is a loop's backend that counts its wakes.
type counted struct {
	*Loop
	wakes *atomic.Int64
}

func (c counted) Wake() {
	c.wakes.Add(1)
	c.Loop.Wake()
}

// newRig returns a rig whose loops are not served yet. When the test is over it ends them, and checks
// that no descriptor, no goroutine and no buffer is left.
func newRig(t testing.TB, loops int, set ...func(*core.Config)) *rig {
	t.Helper()
	r := &rig{t: t, pool: new(pool.Pool)}
	r.cfg = &loop.Config{Core: &core.Config{Profile: core.BaseOnly, Pool: r.pool}, Logger: slog.New(slog.DiscardHandler), Removed: func() {}}
	for _, f := range set {
		f(r.cfg.Core)
	}
	r.cfg.Core.Prepare()
	before := descriptors(t)
	for range loops {
		l, err := New(r.cfg)
		if err != nil {
			t.Fatal(err)
		}
		wakes := new(atomic.Int64)
		l.Loop = loop.New(r.cfg, counted{l, wakes}, arenaShift, false)
		r.loops, r.wakes = append(r.loops, l), append(r.wakes, wakes)
	}
	t.Cleanup(func() {
		r.stop()
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors after the end, %d before", after, before)
		}
		if leaks := r.pool.Leaks(); len(leaks) > 0 {
			t.Errorf("buffers not given back:\n%s", strings.Join(leaks, "\n"))
		}
		for _, l := range r.loops {
			if n := l.Loop.Arena.Used(); n > 0 {
				t.Errorf("%d channels not given back", n)
			}
			if n := l.Load(); n != 0 {
				t.Errorf("%d connections counted after the end", n)
			}
		}
	})
	return r
}

// serve is newRig with loops that run.
func serve(t testing.TB, loops int, set ...func(*core.Config)) *rig {
	t.Helper()
	r := newRig(t, loops, set...)
	r.start()
	return r
}

// start has all loops run.
func (r *rig) start() {
	r.runs = true
	for _, l := range r.loops {
		go func() {
			if err := l.Serve(); err != nil {
				r.t.Error(err)
			}
		}()
	}
}

// stop ends the loops, once.
func (r *rig) stop() {
	for _, l := range r.loops {
		switch {
		case r.runs:
			l.Stop()
		default:
			l.Loop.Shutdown(core.End{Code: codec.ClosedError})
			l.Discard()
		}
	}
}

// inside calls f on the goroutine of a loop, within a turn, and waits for that.
func (r *rig) inside(l *Loop, f func()) {
	r.t.Helper()
	r.wait("a call", l.Loop.Call(f))
}

// wait waits until done is closed.
func (r *rig) wait(what string, done <-chan struct{}) {
	r.t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		r.t.Fatalf("waited in vain: %s", what)
	}
}

// until waits until ok.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// hold keeps the goroutine of a loop busy, outside any turn, as a batch of events of others would. It
// returns what lets it go on.
func (r *rig) hold(l *Loop) (release func()) {
	r.t.Helper()
	p := pair(r.t)
	held, gate := make(chan struct{}), make(chan struct{})
	r.inside(l, func() {
		l.watch(p[0], func() {
			l.forget(p[0])
			close(held)
			<-gate
		})
	})
	unix.Write(p[1], []byte("x"))
	r.wait("a loop to be held", held)
	unix.Close(p[1])
	var once sync.Once
	return func() { once.Do(func() { close(gate) }) }
}

// member is a connection of a rig and its application, which echoes unless onData is set. Its methods
// are called on its loop.
type member struct {
	r    *rig
	lc   loop.Conn
	l    *Loop
	fd   int // as it was attached
	gone chan struct{}

	onData     func(ch core.Handle, p []byte)
	onOpened   func(ch core.Handle)
	onWritable func(ch core.Handle)
	onDown     func(end *core.End)

	channels []core.Handle
	received []byte
	end      *core.End
}

func (r *rig) newMember() *member { return &member{r: r, gone: make(chan struct{})} }

// conn is the transport.
func (m *member) conn() *conn { return m.lc.Transport().(*conn) }

// send queues p on a channel, as engine.Channel does.
func (m *member) send(ch core.Handle, p []byte) core.SendResult {
	l := m.lc.Loop()
	res := m.lc.Reserve(ch, len(p))
	if res == core.SendOK && !l.Send(&m.lc, ch, p) {
		m.r.t.Error("reserved, but not sent")
	}
	return res
}

func (m *member) Up() {}

func (m *member) Opened(ch core.Handle, _ core.OpenParams) (codec.Code, core.Traits) {
	m.channels = append(m.channels, ch)
	if m.onOpened != nil {
		m.onOpened(ch)
	}
	return codec.NoError, 0
}

func (m *member) Data(ch core.Handle, p []byte) {
	if m.onData != nil {
		m.onData(ch, p)
	} else if m.send(ch, p) != core.SendOK {
		m.r.t.Error("an echo is not sent: grant more, or send less")
	}
}

func (m *member) Writable(ch core.Handle) {
	if m.onWritable != nil {
		m.onWritable(ch)
	}
}

func (m *member) Down(end *core.End) {
	m.end = end
	if m.onDown != nil {
		m.onDown(end)
	}
	close(m.gone)
}

func (m *member) Accepted(core.Handle)                    {}
func (m *member) Closed(core.Handle, *core.End) loop.Fate { return loop.Release }
func (m *member) Ponged(uint32, time.Duration)            {}
func (m *member) GoneAway()                               {}
func (m *member) Gone()                                   {}

// pair is two ends of a connection without addresses.
func pair(t testing.TB) [2]int {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// join attaches one end of a socket pair to a loop, and returns who speaks at the other.
func (r *rig) join(l *Loop) (*member, *peer) {
	r.t.Helper()
	p := pair(r.t)
	return r.attach(l, p[0]), newPeer(r.t, p[1])
}

// joinTCP is join over TCP. set tunes the loop's end before anything is sent.
func (r *rig) joinTCP(l *Loop, set ...func(fd int)) (*member, *peer) {
	r.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	defer ln.Close()
	theirs, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	ours, err := ln.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	defer ours.Close()
	f, err := ours.(*net.TCPConn).File()
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	unix.SetNonblock(fd, true)
	for _, f := range set {
		f(fd)
	}
	return r.attach(l, fd), ofConn(r.t, theirs)
}

// attach serves fd on a loop.
func (r *rig) attach(l *Loop, fd int) *member {
	r.t.Helper()
	m := r.newMember()
	attach := func() {
		m.l, m.fd = l, fd
		if err := l.Attach(fd, &m.lc, m, false, false); err != nil {
			r.t.Error(err)
		}
	}
	if r.runs {
		r.inside(l, attach)
	} else {
		l.Loop.Enter()
		attach()
		l.Loop.Leave()
	}
	return m
}

// peer is the other end of a connection: a test that writes and reads frames.
type peer struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func newPeer(t testing.TB, fd int) *peer {
	t.Helper()
	f := os.NewFile(uintptr(fd), "peer")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return ofConn(t, nc)
}

func ofConn(t testing.TB, nc net.Conn) *peer {
	nc.SetDeadline(time.Now().Add(2 * patience))
	p := &peer{t, nc, bufio.NewReaderSize(nc, 64<<10)}
	t.Cleanup(p.close)
	return p
}

func (p *peer) close() { p.nc.Close() }

// say writes frames, in one go.
func (p *peer) say(frames ...[]byte) {
	p.t.Helper()
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	if _, err := p.nc.Write(all); err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next frame: its type and channel, and its payload.
func (p *peer) read() (kind string, payload []byte, err error) {
	var head [codec.HeaderSize]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return "", nil, err
	}
	payload = make([]byte, binary.BigEndian.Uint32(head[8:]))
	if _, err := io.ReadFull(p.r, payload); err != nil {
		return "", nil, err
	}
	if codec.CRC(head[:12], payload) != binary.BigEndian.Uint32(head[12:]) {
		return "", nil, fmt.Errorf("a frame of %d bytes has a wrong CRC", len(payload))
	}
	return fmt.Sprintf("%v %d", codec.Type(head[6]), binary.BigEndian.Uint32(head[2:])), payload, nil
}

// want reads a frame and checks what it is.
func (p *peer) want(kind string) []byte {
	p.t.Helper()
	got, payload, err := p.read()
	if err != nil || got != kind {
		p.t.Fatalf("%s (%v) comes, want %s", got, err, kind)
	}
	return payload
}

// ask sends a message on channel 1 and waits for its echo.
func (p *peer) ask(msg string) {
	p.t.Helper()
	p.say(frame(codec.Data, 1, []byte(msg)))
	for {
		kind, payload, err := p.read()
		switch {
		case err != nil:
			p.t.Fatalf("%s: %v", msg, err)
		case kind == "FLOW_CONTROL 1":
		case kind == "DATA 1" && string(payload) == msg:
			return
		default:
			p.t.Fatalf("%s %q comes back, want DATA 1 %q", kind, payload, msg)
		}
	}
}

// wantEnd reads until the connection ends.
func (p *peer) wantEnd() {
	p.t.Helper()
	for {
		if _, _, err := p.read(); err == io.EOF {
			return
		} else if err != nil {
			p.t.Fatalf("want the end: %v", err)
		}
	}
}

func frame(t codec.Type, channel uint32, payload []byte) []byte {
	return codec.Header{Type: t, Channel: channel}.Append(nil, payload)
}

func grant(channel, n uint32) []byte {
	return frame(codec.FlowControl, channel, binary.BigEndian.AppendUint32(nil, n))
}

// opens is OPEN for n channels: 1, 3, 5 and so on.
func opens(n int) (all []byte) {
	for i := range n {
		all = append(all, frame(codec.Open, uint32(2*i+1), nil)...)
	}
	return all
}

func pattern(n, from int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((from + i) ^ (from+i)>>8 ^ (from+i)>>16)
	}
	return p
}

// descriptors counts those of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	runtime.GC() // finalizers of what a test forgot
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// epollDescriptor is that of a loop's poller.
func epollDescriptor(l *Loop) int {
	return int(reflect.ValueOf(l.poller).Elem().FieldByName("fd").Int())
}

// alive returns whether fd is open.
func alive(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// What these tests have no use for.
func (m *member) Greeted([]byte) bool { return true }
func (m *member) Ended(core.Handle)   {}
func (m *member) Pressed(bool)        {}

package netio

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// side is a connection under test and its application, which echoes unless onData is set.
type side struct {
	t     testing.TB
	conn  *Conn
	lc    loop.Conn
	pool  *pool.Pool
	overs chan bool // one for each call of over

	onData func(ch core.Handle, p []byte)

	mu       sync.Mutex
	channels []core.Handle
	received []byte
	ups      int
	down     *core.End
}

// serve serves nc, as a server unless client is set, until the test is over; then it ends the connection
// and checks that nothing is left of it.
func serve(t testing.TB, nc net.Conn, client bool, set ...func(*core.Config)) *side {
	s := start(t, nc, client, set...)
	t.Cleanup(func() {
		s.conn.Abort(core.End{Code: codec.Cancelled})
		s.wantOver()
	})
	return s
}

// start is serve without an end.
func start(t testing.TB, nc net.Conn, client bool, set ...func(*core.Config)) *side {
	s := newSide(t, nc, set...)
	s.start(client)
	return s
}

// start begins what newSide has made.
func (s *side) start(client bool) {
	s.conn.Start((*events)(s), client, func() { s.overs <- true })
}

// newSide is start without a start.
func newSide(t testing.TB, nc net.Conn, set ...func(*core.Config)) *side {
	s := &side{t: t, pool: new(pool.Pool), overs: make(chan bool, 2)}
	cfg := &loop.Config{Core: &core.Config{Profile: core.BaseOnly, SendQueue: 1 << 20, SendLow: 32 << 10, Pool: s.pool}, Logger: slog.New(slog.DiscardHandler), Removed: func() {}}
	for _, f := range set {
		f(cfg.Core)
	}
	cfg.Core.Prepare()
	s.conn = New(cfg, nc, &s.lc)
	return s
}

// wantOver waits for the end of the connection and checks that nothing is left of it.
func (s *side) wantOver() {
	s.t.Helper()
	select {
	case <-s.conn.Done():
	case <-time.After(patience):
		s.t.Error("the connection does not end")
		s.conn.nc.Close() // so that the rest of the test can
		<-s.conn.Done()
	}
	if n := len(s.overs); n != 1 {
		s.t.Errorf("over was called %d times when Done was closed", n)
	}
	if s.conn.timer.Stop() {
		s.t.Error("the timer is still set: it would hold the connection")
	}
	if s.conn.Loop.Post(loop.Op{Kind: loop.Call, Func: func() {}}) {
		s.t.Error("the loop still takes posts")
	}
	if leaks := s.pool.Leaks(); len(leaks) > 0 {
		s.t.Errorf("buffers not given back:\n%s", strings.Join(leaks, "\n"))
	}
	if n := s.conn.Loop.Arena.Used(); n != 0 {
		s.t.Errorf("%d channels not given back", n)
	}
	if n := s.conn.Loop.Stats.Conns.Load(); n != 0 {
		s.t.Errorf("%d connections counted after the end", n)
	}
	if s.end() == nil {
		s.t.Error("the application was not told of the end")
	}
}

// end is how the connection ended, or nil if it has not.
func (s *side) end() *core.End {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// until waits until ok.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// wrote returns whether n bytes are written.
func (s *side) wrote(n uint64) bool { return s.conn.Loop.Stats.BytesOut.Load() >= n }

// waitWritten waits until n bytes are written.
func (s *side) waitWritten(n uint64) {
	s.t.Helper()
	until(s.t, fmt.Sprint(n, " bytes written"), func() bool { return s.wrote(n) })
}

// inside calls f within a turn, as who holds the mutex.
func (s *side) inside(f func()) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.conn.Loop.Enter()
	f()
	s.conn.Loop.Leave()
}

// opened returns the channels that the peer opened.
func (s *side) opened() []core.Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channels
}

// send queues p on a channel, as engine.Channel does.
func (s *side) send(ch core.Handle, p []byte) core.SendResult {
	r := s.lc.Reserve(ch, len(p), 0)
	if r == core.SendOK {
		s.conn.Loop.Send(&s.lc, ch, p)
	}
	return r
}

// open opens a channel, as engine.Conn does.
func (s *side) open() core.Handle {
	h := s.conn.Loop.Arena.Open()
	if !s.conn.Loop.Post(loop.Op{Kind: loop.Open, Conn: &s.lc, Channel: h}) {
		s.t.Fatal("the loop takes no posts")
	}
	return h
}

// events is what the loop calls.
type events side

func (e *events) note(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *events) Up() { e.note(func() { e.ups++ }) }

func (e *events) Opened(ch core.Handle, _ core.OpenParams) (codec.Code, core.Traits) {
	e.note(func() { e.channels = append(e.channels, ch) })
	return codec.NoError, 0
}

func (e *events) Data(ch core.Handle, p []byte) {
	e.note(func() { e.received = append(e.received, p...) })
	if e.onData != nil {
		e.onData(ch, p)
	} else {
		(*side)(e).send(ch, p)
	}
}

func (e *events) Down(end *core.End)           { e.note(func() { e.down = end }) }
func (e *events) Accepted(ch core.Handle)      {}
func (e *events) Writable(ch core.Handle)      {}
func (e *events) Ponged(uint32, time.Duration) {}
func (e *events) GoneAway()                    {}
func (e *events) Gone()                        {}

func (e *events) Closed(core.Handle, *core.End) loop.Fate { return loop.Release }

// peer is the other end: a test that writes and reads frames.
type peer struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func newPeer(t testing.TB, nc net.Conn) *peer {
	nc.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { nc.Close() })
	return &peer{t, nc, bufio.NewReader(nc)}
}

// say writes frames.
func (p *peer) say(frames ...[]byte) {
	p.t.Helper()
	for _, f := range frames {
		if _, err := p.nc.Write(f); err != nil {
			p.t.Fatal(err)
		}
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

// wantData reads DATA on channel 1 until it has n bytes, and grants what it reads.
func (p *peer) wantData(n int) (got []byte) {
	p.t.Helper()
	for len(got) < n {
		kind, payload, err := p.read()
		if err != nil {
			p.t.Fatalf("after %d of %d bytes: %v", len(got), n, err)
		}
		if kind == "DATA 1" {
			got = append(got, payload...)
		}
	}
	return got
}

func frame(t codec.Type, channel uint32, payload []byte) []byte {
	return codec.Header{Type: t, Channel: channel}.Append(nil, payload)
}

func grant(channel, n uint32) []byte {
	return frame(codec.FlowControl, channel, binary.BigEndian.AppendUint32(nil, n))
}

func pattern(n, from int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((from + i) ^ (from+i)>>8)
	}
	return p
}

// shim is a net.Conn some of whose methods are a test's.
type shim struct {
	net.Conn
	write    func(p []byte) (int, error)
	read     func(p []byte) (int, error)
	timeless bool // deadlines are not supported
}

func (s *shim) Write(p []byte) (int, error) {
	if s.write != nil {
		return s.write(p)
	}
	return s.Conn.Write(p)
}

func (s *shim) Read(p []byte) (int, error) {
	if s.read != nil {
		return s.read(p)
	}
	return s.Conn.Read(p)
}

func (s *shim) SetDeadline(at time.Time) error {
	if s.timeless {
		return fmt.Errorf("deadlines are not supported")
	}
	return s.Conn.SetDeadline(at)
}

// What these tests have no use for.
func (e *events) Greeted([]byte) bool { return true }
func (e *events) Ended(core.Handle)   {}
func (e *events) Pressed(bool)        {}

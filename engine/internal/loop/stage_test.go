package loop

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

// stage is a loop between a backend and applications that are the test's. It is the loop's [Backend],
// and only takes note.
type stage struct {
	t       testing.TB
	l       *Loop
	cfg     *Config
	pool    *pool.Pool
	wakes   atomic.Int64
	alarms  []time.Duration
	removed int
	wrote   []*actor // who had a batch submitted, in order
}

// newStage returns a stage. When the test is over it ends the loop and checks that nothing is left.
func newStage(t testing.TB, set ...func(*Config)) *stage {
	s := &stage{t: t, pool: new(pool.Pool)}
	s.cfg = &Config{
		Core: &core.Config{Profile: core.BaseOnly, Pool: s.pool}, Logger: slog.New(slog.DiscardHandler), Removed: func() { s.removed++ },
	}
	for _, f := range set {
		f(s.cfg)
	}
	s.cfg.Core.Prepare()
	s.l = New(s.cfg, s, 3, false)
	t.Cleanup(s.finish)
	return s
}

// finish ends the loop and checks that it gave everything back.
func (s *stage) finish() {
	s.l.Shutdown(core.End{Code: codec.Cancelled})
	if leaks := s.pool.Leaks(); len(leaks) > 0 {
		s.t.Errorf("buffers not given back:\n%s", strings.Join(leaks, "\n"))
	}
	if n := s.l.Arena.Used(); n > 0 {
		s.t.Errorf("%d channels not given back", n)
	}
	if n := s.l.Stats.Conns.Load(); n != 0 {
		s.t.Errorf("%d connections counted after the end", n)
	}
}

// Wake implements Backend.
func (s *stage) Wake() { s.wakes.Add(1) }

// Alarm implements Backend.
func (s *stage) Alarm(at time.Duration) { s.alarms = append(s.alarms, at) }

// wantWakes checks how often Wake was called since the last look.
func (s *stage) wantWakes(want int64, when string) {
	s.t.Helper()
	if n := s.wakes.Swap(0); n != want {
		s.t.Errorf("%s: %d wakes, want %d", when, n, want)
	}
}

// turn is a turn of the loop.
func (s *stage) turn(f func()) {
	s.l.Enter()
	f()
	s.l.Leave()
}

// settle gives the loop turns until it asks for none.
func (s *stage) settle() {
	for s.wakes.Swap(0) > 0 {
		s.l.Run()
	}
}

// actor is a connection of a stage. It is its [Transport], a socket with limited room; application is
// its other half.
type actor struct {
	lc Conn
	s  *stage

	room    int         // how many bytes the socket takes before it is full
	slow    bool        // it answers later: batches are kept until the test calls Sent
	held    *core.Batch // what the transport has
	took    int         // of it
	wire    []byte      // what the socket took and nobody has read
	submits int
	reading []bool // what WantRead said
	whole   bool   // it has no directions that end one by one
	silent  int    // calls of CloseWrite
	closed  bool

	app application
}

// application is the [Events] of an actor. What it does is up to the test; what it is told stands in log.
type application struct {
	log      []string
	channels []core.Handle // that the peer opened, in order
	ends     []*core.End
	fate     Fate // of channels that have ended
	gone     int  // calls of Gone

	onUp       func()
	onOpened   func(ch core.Handle) codec.Code
	onData     func(ch core.Handle, p []byte)
	onWritable func(ch core.Handle)
	onClosed   func(ch core.Handle)
	onDown     func()
}

const endless = 1 << 40

// join attaches a connection whose socket never fills.
func (s *stage) join(client bool) *actor {
	s.t.Helper()
	a := &actor{s: s, room: endless}
	s.turn(func() { s.l.Attach(&a.lc, a, &a.app, client) })
	s.settle()
	return a
}

// serve attaches a connection on which the peer has opened n channels, 1, 3, 5 and so on.
func (s *stage) serve(n int) *actor {
	s.t.Helper()
	a := s.join(false)
	for i := range n {
		a.hear(frame(codec.Open, odd(i), nil))
	}
	if got := a.frames(); len(got) != n {
		s.t.Fatalf("%d channels opened: answered %q", n, got)
	}
	a.app.log = nil
	return a
}

// odd is the id of a client's channel i.
func odd(i int) uint32 { return uint32(2*i + 1) }

// hear has frames of the peer arrive, in one read and one turn.
func (a *actor) hear(frames ...[]byte) {
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	a.s.turn(func() { a.lc.Bytes(all) })
}

// drain has the socket take n bytes more, and says so as a poller would.
func (a *actor) drain(n int) {
	a.room += n
	a.s.turn(func() {
		if a.held == nil || a.write() {
			a.lc.Writable()
		}
	})
}

// write writes what it can of the batch held, and returns whether that was all.
func (a *actor) write() bool {
	all := bytesOf(a.held)[a.took:]
	n := min(a.room, len(all))
	a.wire = append(a.wire, all[:n]...)
	a.room -= n
	a.took += n
	done := n == len(all)
	if done {
		a.held = nil
	}
	if n > 0 {
		a.lc.Sent(n)
	}
	return done
}

// send queues p on a channel, as engine.Channel does.
func (a *actor) send(ch core.Handle, p []byte) core.SendResult {
	r := a.lc.Reserve(ch, len(p), 0)
	if r == core.SendOK && !a.s.l.Send(&a.lc, ch, p) {
		a.s.t.Error("reserved, but not sent")
	}
	return r
}

// frames reads what the socket took, as far as it is whole frames: "DATA 1 hello".
func (a *actor) frames() (out []string) {
	for len(a.wire) >= codec.HeaderSize {
		end := codec.HeaderSize + int(binary.BigEndian.Uint32(a.wire[8:]))
		if len(a.wire) < end {
			break
		}
		s := fmt.Sprintf("%v %d", codec.Type(a.wire[6]), binary.BigEndian.Uint32(a.wire[2:]))
		if end > codec.HeaderSize {
			s += " " + string(a.wire[codec.HeaderSize:end])
		}
		out = append(out, s)
		a.wire = a.wire[end:]
	}
	return out
}

// Submit implements Transport.
func (a *actor) Submit(b *core.Batch) {
	if a.held != nil {
		a.s.t.Error("a batch is submitted while the transport has one")
	}
	if b.Len() == 0 || b.Len() != len(bytesOf(b)) {
		a.s.t.Errorf("a batch of %d bytes says it has %d", len(bytesOf(b)), b.Len())
	}
	a.submits++
	a.s.wrote = append(a.s.wrote, a)
	a.held, a.took = b, 0
	if a.slow {
		return
	}
	if !a.write() {
		a.held, a.took = a.lc.Rest(a.took), 0
	}
}

// WantRead implements Transport.
func (a *actor) WantRead(on bool) { a.reading = append(a.reading, on) }

// CloseWrite implements Transport.
func (a *actor) CloseWrite() bool {
	a.silent++
	return !a.whole
}

// Close implements Transport.
func (a *actor) Close() {
	if a.closed {
		a.s.t.Error("the transport is closed twice")
	}
	a.closed = true
	a.held = nil
	a.lc.Gone()
}

// LocalAddr implements Transport.
func (a *actor) LocalAddr() net.Addr { return nil }

// RemoteAddr implements Transport.
func (a *actor) RemoteAddr() net.Addr { return nil }

func (a *application) note(format string, args ...any) {
	a.log = append(a.log, fmt.Sprintf(format, args...))
}

// wantLog checks what was reported since the last look.
func (a *actor) wantLog(want ...string) {
	a.s.t.Helper()
	if got := strings.Join(a.app.log, "; "); got != strings.Join(want, "; ") {
		a.s.t.Errorf("reported %q, want %q", got, strings.Join(want, "; "))
	}
	a.app.log = nil
}

// wantFrames checks what was sent since the last look.
func (a *actor) wantFrames(want ...string) {
	a.s.t.Helper()
	if got := strings.Join(a.frames(), "; "); got != strings.Join(want, "; ") {
		a.s.t.Errorf("sent %q, want %q", got, strings.Join(want, "; "))
	}
}

// Up implements Events.
func (a *application) Up() {
	a.note("up")
	if a.onUp != nil {
		a.onUp()
	}
}

// Opened implements Events.
func (a *application) Opened(ch core.Handle, p core.OpenParams) (codec.Code, core.Traits) {
	a.note("opened")
	if a.onOpened != nil {
		if code := a.onOpened(ch); code != codec.NoError {
			return code, 0
		}
	}
	a.channels = append(a.channels, ch)
	return codec.NoError, 0
}

// Accepted implements Events.
func (a *application) Accepted(core.Handle) { a.note("accepted") }

// Data implements Events.
func (a *application) Data(ch core.Handle, p []byte) {
	a.note("data %.20s", p)
	if a.onData != nil {
		a.onData(ch, p)
	}
}

// Writable implements Events.
func (a *application) Writable(ch core.Handle) {
	a.note("writable")
	if a.onWritable != nil {
		a.onWritable(ch)
	}
}

// Closed implements Events.
func (a *application) Closed(ch core.Handle, end *core.End) Fate {
	a.note("closed %v", end.Code)
	a.ends = append(a.ends, end)
	if a.onClosed != nil {
		a.onClosed(ch)
	}
	return a.fate
}

// Ponged implements Events.
func (a *application) Ponged(uint32, time.Duration) { a.note("ponged") }

// GoneAway implements Events.
func (a *application) GoneAway() { a.note("gone away") }

// Gone implements Events.
func (a *application) Gone() { a.gone++ }

// Down implements Events.
func (a *application) Down(end *core.End) {
	a.note("down %v", end.Code)
	a.ends = append(a.ends, end)
	if a.onDown != nil {
		a.onDown()
	}
}

func frame(t codec.Type, channel uint32, payload []byte) []byte {
	return codec.Header{Type: t, Channel: channel}.Append(nil, payload)
}

// grant is FLOW_CONTROL.
func grant(channel, n uint32) []byte {
	return frame(codec.FlowControl, channel, binary.BigEndian.AppendUint32(nil, n))
}

func bytesOf(b *core.Batch) (all []byte) {
	for _, s := range b.Slices {
		all = append(all, s...)
	}
	return all
}

// pattern is n bytes that are nowhere alike.
func pattern(n, from int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((from + i) ^ (from+i)>>8)
	}
	return p
}

// What these tests have no use for.
func (a *application) Greeted([]byte) bool { return true }
func (a *application) Ended(core.Handle)   {}
func (a *application) Pressed(bool)        {}

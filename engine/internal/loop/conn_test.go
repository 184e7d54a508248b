package loop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// A clean end is first one of the transport's own direction; the transport is closed when the peer has ended its, or at
// once if it has no directions that end one by one.
func TestCleanEndWaitsForThePeer(t *testing.T) {
	for _, whole := range []bool{false, true} {
		s := newStage(t)
		a := s.join(false)
		a.whole = whole
		a.hear(frame(codec.Ping, 0, []byte("x")))
		a.wantFrames(`PONG 0 x`)
		s.l.Post(Op{Kind: Call, Conn: &a.lc, Func: a.lc.GoAway})
		s.settle()
		a.wantLog("up", "down NO_ERROR")
		a.wantFrames("ERROR 0 " + strings.Repeat("\x00", 8))
		if a.silent != 1 || a.closed != whole {
			t.Errorf("its direction has ended %d times, and it is closed: %v", a.silent, a.closed)
		}
		if whole {
			continue
		}
		a.hear(frame(codec.Ping, 0, []byte("y")))
		a.wantFrames()
		if a.silent != 1 || a.closed {
			t.Error("what came after the end had an effect")
		}
		s.turn(func() { a.lc.Closed(io.EOF) })
		if !a.closed || s.removed != 1 {
			t.Error("the connection is still there")
		}
	}
}

// A peer opens two channels, talks and hangs up.
func TestALife(t *testing.T) {
	s := newStage(t)
	a := s.join(false)
	a.app.onData = func(ch core.Handle, p []byte) { a.send(ch, p) }
	a.hear(frame(codec.Open, 1, nil), frame(codec.Open, 3, nil), frame(codec.Data, 3, []byte("hello")))
	a.wantLog("up", "opened", "opened", "data hello")
	a.wantFrames("ACK 1", "ACK 3", "DATA 3 hello")
	first := a.app.channels[0]
	s.l.Contexts.Set(first, "mine")
	a.app.onClosed = func(ch core.Handle) {
		if ch == first && s.l.Contexts.Get(ch) != "mine" {
			t.Error("a channel's context is gone before its end was reported")
		}
	}
	a.hear(frame(codec.Close, 1, nil))
	if s.l.Contexts.Get(first) != nil {
		t.Error("a channel's context is there after its end was reported")
	}
	a.wantLog("closed NO_ERROR")
	a.wantFrames("ACK 1")
	s.turn(func() { a.lc.Closed(io.ErrUnexpectedEOF) })
	a.wantLog("closed INTERNAL", "down INTERNAL")
	if end := a.app.ends[2]; !errors.Is(end.Err, io.ErrUnexpectedEOF) {
		t.Errorf("a channel was open, and the end is %v", end.Err)
	}
	if !a.closed || s.removed != 1 {
		t.Error("the connection is still there")
	}
	st := &s.l.Stats
	if in, out := st.FramesIn.Load(), st.FramesOut.Load(); in != 4 || out != 4 {
		t.Errorf("%d frames in and %d out counted, of 4 and 4", in, out)
	}
	const in, out = 4*codec.HeaderSize + 5, 4*codec.HeaderSize + 5
	if n, reads := st.BytesIn.Load(), st.Reads.Load(); n != in || reads != 2 {
		t.Errorf("%d bytes in %d reads counted, of %d in 2", n, reads, in)
	}
	if n, writes := st.BytesOut.Load(), st.Writes.Load(); n != out || writes != 2 {
		t.Errorf("%d bytes in %d writes counted, of %d in 2", n, writes, out)
	}
	if n, served := s.l.Stats.Conns.Load(), s.l.Stats.Served.Load(); n != 0 || served != 1 {
		t.Errorf("%d connections, %d served", n, served)
	}
}

// What a handler sends in answer to what came leaves in the same turn, without a wake.
func TestAnswersLeaveInTheSameTurn(t *testing.T) {
	s := newStage(t)
	a := s.serve(2)
	a.app.onData = func(ch core.Handle, p []byte) { a.send(ch, bytes.ToUpper(p)) }
	a.hear(frame(codec.Data, 1, []byte("one")), frame(codec.Data, 3, []byte("two")), frame(codec.Data, 1, []byte("three")))
	s.wantWakes(0, "a turn with answers")
	a.wantFrames("DATA 1 ONE", "DATA 1 THREE", "DATA 3 TWO") // a channel's turn is 16 KiB
	if a.submits != 3 {                                      // two opens, and this
		t.Errorf("%d batches for 2 opens and one read", a.submits)
	}
}

// What a handler sends on other connections waits until the batch of events is over; then each of them
// is served once, whoever and however often somebody sent on it.
func TestOneRunServesAllOtherConnections(t *testing.T) {
	s := newStage(t)
	a, b, c := s.serve(1), s.serve(1), s.serve(1)
	b.submits, c.submits = 0, 0
	a.app.onData = func(ch core.Handle, p []byte) {
		for i := range 10 {
			b.send(b.app.channels[0], fmt.Append(nil, "b", i))
			c.send(c.app.channels[0], fmt.Append(nil, "c", i))
		}
	}
	c.app.onData = a.app.onData
	a.hear(frame(codec.Data, 1, []byte("x")))
	s.wantWakes(1, "posts for two other connections")
	c.hear(frame(codec.Data, 1, []byte("x"))) // the next event of the same batch
	s.wakes.Store(0)                          // TestOneWakeForABatch
	b.wantFrames()                            // nothing before the Run
	s.l.Run()
	s.wantWakes(0, "a run that served all")
	if n := len(b.frames()); n != 20 || b.submits != 1 {
		t.Errorf("b: %d frames in %d batches, want 20 in 1", n, b.submits)
	}
	if n := len(c.frames()); n != 20 || c.submits > 2 {
		t.Errorf("c: %d frames in %d batches, want 20 in at most 2", n, c.submits)
	}
}

// In a batch of events many turns give something to do to other connections: the first of them asks for
// the Run that serves those, and no other.
func TestOneWakeForABatch(t *testing.T) {
	s := newStage(t)
	to := s.serve(1)
	var from []*actor
	for range 50 {
		a := s.serve(1)
		a.app.onData = func(_ core.Handle, p []byte) { to.send(to.app.channels[0], p) }
		from = append(from, a)
	}
	for _, a := range from {
		a.hear(frame(codec.Data, 1, []byte("forward me")))
	}
	s.wantWakes(1, "50 events, each of which has something forwarded")
	s.l.Run()
	s.wantWakes(0, "a run that served all")
	if n := len(to.frames()); n != 50 {
		t.Errorf("%d of 50 forwarded", n)
	}
}

// Two connections that give each other something to do, for ever: a run serves each of them once and ends,
// so that sockets are looked at before the next.
func TestARunEnds(t *testing.T) {
	s := newStage(t)
	a, b := s.serve(1), s.serve(1)
	a.hear(grant(1, 1<<30))
	b.hear(grant(1, 1<<30))
	rounds := 0
	fill := func(to *actor) func(core.Handle) {
		return func(core.Handle) {
			if rounds++; rounds > 1000 {
				return
			}
			for to.send(to.app.channels[0], make([]byte, 16000)) == core.SendOK {
			}
		}
	}
	a.app.onWritable, b.app.onWritable = fill(b), fill(a)
	s.turn(func() { fill(a)(core.Handle{}) })
	s.wantWakes(1, "something for a to do")
	for run := range 6 { // what is sent in one run is reported in the next
		before := rounds
		s.l.Run()
		s.wantWakes(1, "a run that left something to do")
		if n := rounds - before; n > 2*(64<<10)/16000 {
			t.Fatalf("run %d: the connections kept each other busy %d times", run, n)
		}
	}
	if rounds < 3 {
		t.Errorf("%d rounds in 6 runs", rounds)
	}
	rounds = 1000 // enough
	s.settle()
}

// The socket takes half a batch. What is left is kept in memory that fits it, and when the socket has
// room again it goes on at the very byte.
func TestABatchSentInPieces(t *testing.T) {
	s := newStage(t)
	a := s.serve(1)
	ch := a.app.channels[0]
	var want []byte
	a.room, a.submits = 0, 0
	for i, n := range []int{100, 600, 20000, 3, copyLimit, copyLimit + 1} {
		a.send(ch, pattern(n, i))
		for p := pattern(n, i); len(p) > 0; { // 20,000 bytes are two frames
			k := min(len(p), 16384)
			want = append(want, frame(codec.Data, 1, p[:k])...)
			p = p[k:]
		}
	}
	a.room = 150
	s.settle()
	for got := 150; ; {
		if !bytes.Equal(a.wire, want[:got]) {
			t.Fatalf("after %d bytes: wire has %d, or others", got, len(a.wire))
		}
		if got == len(want) {
			break
		}
		if a.held == nil {
			t.Fatalf("after %d of %d bytes nothing is held", got, len(want))
		}
		if rest := a.held.Len() - a.took; a.held.Len() > len(want)-150 || a.lc.core.Unsent() != rest {
			t.Fatalf("after %d of %d bytes: %d are left of the batch, %d counted", got, len(want), rest, a.lc.core.Unsent())
		}
		if a.held.Whole() {
			t.Fatal("the memory for 64 KiB of headers is kept for what is left")
		}
		step := min(777, len(want)-got)
		a.drain(step)
		got += step
	}
	if a.held != nil || a.lc.batch != nil {
		t.Error("a batch is held though all is sent")
	}
	if n := s.l.Stats.BytesOut.Load(); n != uint64(len(want))+codec.HeaderSize { // the ACK
		t.Errorf("%d bytes counted", n)
	}
}

// Rest begins at every byte of a batch once, and nothing is lost, doubled or mixed up.
func TestRestAtEveryByte(t *testing.T) {
	s := newStage(t)
	a := s.serve(1)
	ch := a.app.channels[0]
	a.hear(grant(1, 1<<30))
	for cut := 1; ; cut++ {
		var want []byte
		for i, n := range []int{5, 513, 40} {
			p := pattern(n, cut+i)
			a.send(ch, p)
			want = append(want, frame(codec.Data, 1, p)...)
		}
		if cut == len(want) {
			break
		}
		a.wire, a.room = nil, cut
		s.settle()
		if rest := a.held; rest == nil || rest.Len() != len(want)-cut {
			t.Fatalf("cut at %d of %d: %v is held", cut, len(want), rest)
		}
		a.drain(endless)
		if !bytes.Equal(a.wire, want) {
			t.Fatalf("cut at %d: other bytes arrive", cut)
		}
	}
}

// A transport that answers later gets one batch at a time, whatever happens meanwhile: more is posted,
// more comes, the connection is touched, a channel whose bytes are on their way is reset.
func TestOneBatchAtATime(t *testing.T) {
	s := newStage(t)
	a := s.serve(2)
	a.app.onData = func(ch core.Handle, p []byte) { a.send(ch, p) }
	a.slow, a.submits = true, 0
	a.hear(frame(codec.Data, 1, pattern(2000, 0)))
	first := a.held
	content := bytes.Clone(bytesOf(first))

	a.send(a.app.channels[0], []byte("next"))
	s.settle()
	a.hear(frame(codec.Data, 3, []byte("more")))
	s.turn(func() { s.l.Touch(&a.lc) })
	s.settle()
	a.hear(frame(codec.Error, 1, nil)) // the channel that the batch is from
	s.turn(func() { a.lc.Writable() })
	if a.submits != 1 || a.held != first {
		t.Fatalf("%d batches submitted", a.submits)
	}
	if !bytes.Equal(bytesOf(first), content) {
		t.Error("a batch changed while the transport had it")
	}
	a.slow = false
	s.turn(func() {
		a.write()
		a.lc.Writable()
	})
	if !bytes.Equal(a.wire[:len(content)], content) {
		t.Error("other bytes were sent")
	}
	a.wire = a.wire[len(content):]
	a.wantFrames("DATA 3 more") // "next" went with its channel
}

// A connection that could go on for ever stops after its budget and lets others have their turn; the
// turn after that it has the same again.
func TestABudgetForEachTurn(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Core.SendQueue = 1 << 20 })
	a := s.serve(1)
	a.hear(grant(1, 1<<30))
	block := s.pool.Get(64 << 10)
	defer block.Release()
	a.app.onWritable = func(ch core.Handle) {
		for a.lc.Reserve(ch, len(block.B), 0) == core.SendOK {
			block.Retain()
			s.l.Post(Op{Kind: Send, Conn: &a.lc, Channel: ch, Buf: block})
		}
	}
	s.turn(func() { a.app.onWritable(a.app.channels[0]) })
	a.wire = nil
	for turn := 1; turn <= 5; turn++ {
		s.wakes.Store(0)
		s.l.Run()
		const most = turnBytes + 4*(codec.HeaderSize+16384)
		if n := len(a.wire); n < turnBytes || n >= most {
			t.Fatalf("turn %d: %d bytes, want %d to %d", turn, n, turnBytes, most)
		}
		s.wantWakes(1, "a turn that used its budget up")
		a.wire = nil
	}
	a.app.onWritable = nil
	s.l.Run()
	s.settle()
}

// A full socket is waited for: Writable comes by itself.
func TestAFullSocketIsNotAskedAgain(t *testing.T) {
	s := newStage(t)
	a := s.serve(1)
	a.room = 0
	a.send(a.app.channels[0], []byte("waits"))
	s.settle()
	for range 3 {
		s.turn(func() { s.l.Touch(&a.lc) })
		s.settle()
	}
	if a.submits != 2 {
		t.Errorf("%d batches", a.submits-1)
	}
	a.drain(endless)
	a.wantFrames("DATA 1 waits")
}

// What becomes of a channel that has ended is up to the application: kept, it counts against its peer
// until it is let go; useless, it costs the peer patience.
func TestFates(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Core.MaxChannels = 1 })
	a := s.serve(1)
	first := a.app.channels[0]
	s.l.Contexts.Set(first, "mine")
	a.app.fate = Keep
	a.hear(frame(codec.Close, 1, nil), frame(codec.Open, 3, nil))
	a.wantFrames("ERROR 3 \x00\x00\x00\x06", "ACK 1")
	if s.l.Contexts.Get(first) != nil {
		t.Error("a kept channel has its context after its end was reported")
	}
	s.l.Post(Op{Kind: Let, Conn: &a.lc, Channel: first})
	s.l.Post(Op{Kind: Let, Conn: &a.lc, Channel: first}) // does nothing
	s.settle()
	if n := s.l.Arena.Used(); n != 0 {
		t.Errorf("%d channels are left", n)
	}
	a.app.fate = Useless
	for i := range uint32(20_000) {
		a.hear(frame(codec.Open, 5+2*i, nil), frame(codec.Close, 5+2*i, nil))
		if a.app.ends[len(a.app.ends)-1].Code == codec.Calm {
			return
		}
	}
	t.Error("20,000 useless channels are no anomaly")
}

// A handler that panics loses the channel it panicked over, and nothing else.
func TestPanics(t *testing.T) {
	boom := func() { panic("boom") }
	for _, c := range []struct {
		name   string
		set    func(a *actor)
		hear   []byte
		log    []string
		frames []string
	}{
		{"over data", func(a *actor) { a.app.onData = func(core.Handle, []byte) { boom() } },
			frame(codec.Data, 1, []byte("x")), []string{"data x", "closed INTERNAL"}, []string{"ERROR 1 \x00\x00\x00\x07"}},
		{"over an open", func(a *actor) { a.app.onOpened = func(core.Handle) codec.Code { boom(); return 0 } },
			frame(codec.Open, 99, nil), []string{"opened"}, []string{"ERROR 99 \x00\x00\x00\x07"}},
		{"over an end", func(a *actor) { a.app.onClosed = func(core.Handle) { boom() } },
			frame(codec.Close, 1, nil), []string{"closed NO_ERROR"}, []string{"ACK 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			a := s.serve(2)
			c.set(a)
			used := s.l.Arena.Used()
			a.hear(c.hear)
			a.wantLog(c.log...)
			a.wantFrames(c.frames...)
			if n := s.l.Stats.Panics.Load(); n != 1 {
				t.Errorf("%d panics counted", n)
			}
			if n := s.l.Arena.Used(); n > used {
				t.Errorf("%d channels held after a panic, %d before", n, used)
			}
			// The other channel lives, and so does what comes behind in the same read.
			a.app.onData, a.app.onOpened, a.app.onClosed = nil, nil, nil
			a.hear(frame(codec.Data, 3, []byte("here")))
			a.wantLog("data here")
		})
	}
}

// What came behind the bytes over which a handler panicked is handled as if nothing had happened.
func TestAPanicDoesNotSwallowWhatFollows(t *testing.T) {
	s := newStage(t)
	a := s.serve(2)
	a.app.onData = func(ch core.Handle, p []byte) {
		if string(p) == "boom" {
			panic("boom")
		}
		a.send(ch, p)
	}
	a.hear(frame(codec.Data, 3, []byte("before")), frame(codec.Data, 1, []byte("boom")),
		frame(codec.Data, 3, []byte("after")), frame(codec.Data, 1, []byte("boom")))
	a.wantLog("data before", "data boom", "closed INTERNAL", "data after")
	a.wantFrames("ERROR 1 \x00\x00\x00\x07", "DATA 3 before", "DATA 3 after")
	if n := s.l.Stats.Panics.Load(); n != 1 {
		t.Errorf("%d panics counted", n)
	}
}

// A handler that panics over the connection itself: over its beginning it ends, over its end it ends all
// the same.
func TestPanicsOverTheConnection(t *testing.T) {
	s := newStage(t)
	a := &actor{s: s, room: endless}
	a.app.onUp = func() { panic("boom") }
	s.turn(func() { s.l.Attach(&a.lc, a, &a.app, false) })
	s.settle()
	a.wantLog("up", "down INTERNAL")
	if !a.closed {
		t.Error("a connection nobody knows of is served")
	}

	b := s.serve(1)
	b.app.onDown = func() { panic("boom") }
	b.app.onClosed = func(core.Handle) { panic("boom") }
	s.turn(func() { b.lc.Closed(errors.New("reset")) })
	b.wantLog("closed INTERNAL", "down INTERNAL")
	if !b.closed {
		t.Error("a connection whose handler panicked over its end is still there")
	}
	if n := s.l.Stats.Panics.Load(); n != 3 {
		t.Errorf("%d panics counted", n)
	}
}

// Who wants a panic to end the process gets it, with its own value.
func TestCrashOnPanic(t *testing.T) {
	s := newStage(t, func(c *Config) { c.CrashOnPanic = true })
	a := s.serve(1)
	a.app.onData = func(core.Handle, []byte) { panic("boom") }
	defer func() {
		if r := recover(); r != "boom" {
			t.Errorf("recovered %v", r)
		}
	}()
	a.hear(frame(codec.Data, 1, []byte("x")))
	t.Error("the panic went no further")
}

// When the peer has ended its direction no bytes are wanted; what is queued still leaves.
func TestNothingIsReadAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		a := s.serve(1)
		a.room = 0
		a.send(a.app.channels[0], []byte("last words"))
		s.settle()
		s.turn(func() { a.lc.Closed(io.EOF) })
		if len(a.reading) != 1 || a.reading[0] {
			t.Errorf("WantRead said %v, want false once", a.reading)
		}
		a.hear(frame(codec.Data, 1, []byte("too late"))) // read before
		a.wantLog()
		a.drain(endless)
		a.wantFrames("DATA 1 last words")
		time.Sleep(time.Second) // in which the application might have sent more
		s.l.Expire()
		if !a.closed {
			t.Error("nothing is left to do, and the connection is still there")
		}
	})
}

// The loop ends while connections are in every state: fresh, with bytes that wait for window or for the
// socket, with half a frame received, with posts not looked at. All is given back; finish looks.
func TestShutdownGivesEverythingBack(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Core.SendQueue = 1 << 20 })
	s.serve(3) // idle

	window := s.serve(1)
	window.send(window.app.channels[0], pattern(200_000, 0))
	s.settle()

	full := s.serve(2)
	full.room = 3000
	full.send(full.app.channels[0], pattern(2000, 0))
	full.send(full.app.channels[1], pattern(30_000, 0))
	s.settle()

	slow := s.serve(1)
	slow.slow = true
	slow.send(slow.app.channels[0], pattern(2000, 0))
	s.settle()

	half := s.serve(1)
	half.hear(frame(codec.Data, 1, pattern(40_000, 0))[:20_000])

	opening := s.join(true)
	opening.room = 0
	params := s.pool.Copy(core.OpenParams{Priority: core.DefaultPriority, Target: []byte("nowhere")}.Append(nil))
	s.l.Post(Op{Kind: Open, Conn: &opening.lc, Channel: s.l.Arena.Open(), Buf: params})
	s.settle()

	pinged := s.serve(1)
	pinged.room = 0
	pinged.send(pinged.app.channels[0], []byte("x"))
	s.settle()
	pinged.hear(frame(codec.Ping, 0, []byte("are you there")))

	posts := s.serve(1) // nobody has looked at these
	posts.send(posts.app.channels[0], pattern(10, 0))
	posts.send(posts.app.channels[0], pattern(1000, 0))
	s.l.Post(Op{Kind: Open, Conn: &posts.lc, Channel: s.l.Arena.Open(), Buf: s.pool.Get(30)})

	gone := s.serve(1) // it has ended, and somebody does not know that
	s.turn(func() { gone.lc.Closed(io.EOF) })
	s.l.Post(Op{Kind: Open, Conn: &gone.lc, Channel: s.l.Arena.Open(), Buf: s.pool.Get(30)})

	all := []*actor{window, full, slow, half, opening, pinged, posts}
	for _, a := range all {
		a.app.onDown = func() { // it may still try
			for _, ch := range a.app.channels {
				if a.lc.Reserve(ch, 10, 0) != core.SendClosed {
					t.Error("a channel takes bytes after its end")
				}
			}
			s.l.Post(Op{Kind: Call, Func: func() { t.Error("posted after the end, and done") }})
		}
	}
	s.l.Shutdown(core.End{Code: codec.Cancelled, Reason: "bye"})
	for i, a := range all {
		end := a.app.ends[len(a.app.ends)-1]
		if !end.Conn || end.Code != codec.Cancelled || end.Reason != "bye" || end.Remote {
			t.Errorf("connection %d ended with %+v", i, end)
		}
		if log := strings.Join(a.app.log, "; "); strings.Count(log, "down") != 1 || !strings.HasSuffix(log, "down CANCELLED") {
			t.Errorf("connection %d: %s", i, log)
		}
		if !a.closed {
			t.Errorf("connection %d is not closed", i)
		}
	}
	if n := s.removed; n != len(all)+2 { // the idle one, and the one that had ended
		t.Errorf("%d of %d removed", n, len(all)+2)
	}
}

// A batch that another connection can use is kept, and no more than a few.
func TestBatchesAreKept(t *testing.T) {
	s := newStage(t)
	for range 10 {
		a := s.serve(1)
		a.slow = true
		a.send(a.app.channels[0], []byte("x"))
		s.settle()
		defer func() {
			a.slow = false
			s.turn(func() {
				a.write()
				a.lc.Writable()
			})
			if n := len(s.l.batches); n == 0 || n > 2 {
				t.Errorf("%d batches kept", n)
			}
		}()
	}
}

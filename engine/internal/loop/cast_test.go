package loop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// cast sends p on all channels of the actors: on the first of each, then on the second of each, and so on.
func (s *stage) cast(p string, to ...*actor) {
	s.t.Helper()
	m := core.NewMessage(s.pool.Copy([]byte(p)))
	defer m.Release()
	k := s.l.NewCast()
	for i := range to[0].app.channels {
		for _, a := range to {
			ch := a.app.channels[i]
			if got := a.lc.Reserve(ch, len(p), 0); got != core.SendOK {
				s.t.Fatalf("reserving: %d", got)
			}
			k.Add(&a.lc, ch)
		}
	}
	k.Send(m)
}

// byChannel is what the socket took, by channel.
func (a *actor) byChannel() map[string]string {
	got := make(map[string]string)
	for _, f := range a.frames() {
		f, _ = strings.CutPrefix(f, "DATA ")
		ch, p, _ := strings.Cut(f, " ")
		got[ch] += p
	}
	return got
}

// wantEach checks that the socket took want on each of n channels.
func (a *actor) wantEach(n int, want string) {
	a.s.t.Helper()
	got := a.byChannel()
	for ch, p := range got {
		if p != want {
			a.s.t.Errorf("channel %s got %q, want %q", ch, p, want)
		}
	}
	if len(got) != n {
		a.s.t.Errorf("%d channels got something, want %d", len(got), n)
	}
}

// What goroutines post between messages for many channels keeps its place, in whatever order the channels are named,
// and whether the message leaves at once or waits.
func TestCastsKeepTheirPlace(t *testing.T) {
	for _, p := range []string{"b", strings.Repeat("b", 300), strings.Repeat("b", 600)} {
		for _, slow := range []bool{false, true} {
			t.Run(fmt.Sprint(len(p), slow), func(t *testing.T) {
				const channels = 300
				s := newStage(t)
				all := []*actor{s.serve(channels), s.serve(channels), s.serve(channels)}
				say := func(p string) {
					for _, a := range all {
						for _, ch := range a.app.channels {
							a.send(ch, []byte(p))
						}
					}
				}
				if slow { // their transports are busy
					for _, a := range all {
						a.room = 10
					}
				}
				say("a")
				s.cast(p, all...)
				s.cast(p, all...)
				say("c")
				s.cast(p, all...)
				s.settle()
				for _, a := range all {
					for a.held != nil {
						a.drain(endless)
					}
				}
				s.settle()
				for _, a := range all {
					a.wantEach(channels, "a"+p+p+"c"+p)
				}
			})
		}
	}
}

// A message for thousands of channels takes several turns, between which sockets are looked at. It leaves each
// connection in few writes, though its channels were named in turn with others.
func TestLargeCastTakesTurns(t *testing.T) {
	const channels = 1000
	s := newStage(t)
	var all []*actor
	for range 4 {
		all = append(all, s.serve(channels))
	}
	for _, a := range all {
		a.submits = 0
	}
	s.cast("hello", all...)
	s.wantWakes(1, "a message for many")
	sent := func() (n int) {
		for _, a := range all {
			n += len(a.wire)
		}
		return n / (codec.HeaderSize + len("hello"))
	}
	for turns := 1; sent() < len(all)*channels; turns++ {
		before := sent()
		s.l.Run()
		if n := sent(); n == before || n-before > 2*turnOps {
			t.Fatalf("turn %d sends %d", turns, n-before)
		}
		if sent() < len(all)*channels {
			s.wantWakes(1, "a turn that left something")
		}
	}
	for i, a := range all {
		a.wantEach(channels, "hello")
		if a.submits > 2 {
			t.Errorf("connection %d: %d writes", i, a.submits)
		}
	}
	s.settle()
}

// Where nothing waits a message leaves with its part, and no queue sees it.
func TestCastLeavesAtOnce(t *testing.T) {
	const channels = 1000
	s := newStage(t)
	a := s.serve(channels)
	s.turn(func() { s.cast("hello", a) }) // who is served after a turn is served in Run
	a.wantEach(channels, "hello")
	s.turn(func() { s.cast(strings.Repeat("long", 200), a) })
	a.wantEach(0, "")
	s.settle()
	a.wantEach(channels, strings.Repeat("long", 200))
}

// Who is told something answers before a message it has sent to others leaves, and with 5,000 connections to whose only
// channel it goes, even before that.
func TestAnswersDoNotWaitForCasts(t *testing.T) {
	s := newStage(t)
	var others []*actor
	for range 500 {
		others = append(others, s.serve(1))
	}
	many, teller := s.serve(1000), s.serve(1)
	answer := func(to ...*actor) {
		s.wrote = nil
		teller.app.onData = func(ch core.Handle, _ []byte) {
			teller.send(ch, []byte("answer"))
			s.cast("hello", to...)
		}
		teller.hear(frame(codec.Data, 1, []byte("ask")))
		s.settle()
		if s.wrote[0] != teller {
			t.Errorf("%d writes before the answer", slices.Index(s.wrote, teller))
		}
		teller.wantEach(1, "answer")
		for _, a := range to {
			a.wantEach(len(a.app.channels), "hello")
		}
	}
	answer(many)
	answer(others...)

	s.wrote = nil
	s.cast("hello", others...)
	teller.app.onData = func(ch core.Handle, _ []byte) { teller.send(ch, []byte("answer")) }
	teller.hear(frame(codec.Data, 1, []byte("ask")))
	if s.wrote[0] != teller {
		t.Errorf("%d writes before an answer that has nothing to do with them", slices.Index(s.wrote, teller))
	}
	s.settle()
}

// Whoever it is for may be gone meanwhile, or the loop itself.
func TestCastToNobody(t *testing.T) {
	s := newStage(t)
	a, b := s.serve(2000), s.serve(2000)
	s.cast("hello", a, b)
	s.turn(func() { a.lc.Abort(core.End{}) })
	s.settle()
	b.wantEach(2000, "hello")
	s.cast("hello", b)
	s.l.Shutdown(core.End{})
	m := core.NewMessage(s.pool.Copy([]byte("late")))
	k := s.l.NewCast()
	k.Add(&b.lc, b.app.channels[0])
	k.Send(m)
	m.Release()
}

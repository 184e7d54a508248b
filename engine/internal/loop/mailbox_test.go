package loop

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

// Nobody is inside: a hundred goroutines leave what they want, and somebody is woken once.
func TestABurstWakesOnce(t *testing.T) {
	s := newStage(t)
	for round := range 3 {
		done := 0
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for range 100 {
					if !s.l.Post(Op{Kind: Call, Func: func() { done++ }}) {
						t.Error("refused")
					}
				}
			})
		}
		wg.Wait()
		s.wantWakes(1, fmt.Sprintf("burst %d of 10,000", round))
		for runs := 1; done < 10_000; runs++ { // between which sockets are looked at
			s.l.Run()
			if done > runs*2*turnOps {
				t.Errorf("%d done in %d turns", done, runs)
			}
			if done < 10_000 {
				s.wantWakes(1, "a turn that left something")
			}
		}
		s.settle()
	}
}

// While somebody is inside nobody is woken: who is inside looks again before it leaves.
func TestNobodyIsWokenForWhoIsInside(t *testing.T) {
	s := newStage(t)
	var order []int
	s.turn(func() {
		for i := range 100 {
			s.l.Post(Op{Kind: Call, Func: func() { order = append(order, i) }})
		}
	})
	s.wantWakes(0, "posts during a turn")
	if len(order) != 100 {
		t.Errorf("%d of 100 done when the turn was over", len(order))
	}
	// A turn that finds something to do for itself does that too.
	s.turn(func() {
		s.l.Post(Op{Kind: Call, Func: func() {
			s.l.Post(Op{Kind: Call, Func: func() { order = append(order, -1) }})
		}})
	})
	if order[len(order)-1] != -1 {
		t.Error("what was posted by what was posted is not done")
	}
	s.l.Post(Op{Kind: Call, Func: func() {}})
	s.wantWakes(1, "the first post after a turn")
	s.l.Run()
}

// What each goroutine posts is done in its order, with other turns in between and without.
func TestEachGoroutinesOrderIsKept(t *testing.T) {
	s := newStage(t)
	const senders, each = 20, 2000
	next := make([]int, senders)
	var wg sync.WaitGroup
	for g := range senders {
		wg.Go(func() {
			for i := range each {
				s.l.Post(Op{Kind: Call, Func: func() {
					if next[g] != i {
						t.Errorf("goroutine %d: %d done when %d was next", g, i, next[g])
					}
					next[g] = i + 1
				}})
			}
		})
	}
	all := make(chan struct{})
	go func() {
		wg.Wait()
		close(all)
	}()
	for posting := true; posting; {
		select {
		case <-all:
			posting = false
		default:
		}
		s.settle()
	}
	for g, n := range next {
		if n != each {
			t.Errorf("goroutine %d: %d of %d done", g, n, each)
		}
	}
}

// Messages up to copyLimit travel in the mail itself, longer ones in a buffer. Neither lets anything of
// its neighbours through, however they are mixed, and whatever happens to the sender's memory.
func TestShortMessagesArriveIntact(t *testing.T) {
	s := newStage(t)
	const senders, each = 10, 40
	a := s.serve(senders)
	a.hear(grants(senders, 1<<20)...)
	var wg sync.WaitGroup
	for g := range senders {
		wg.Go(func() {
			p := make([]byte, 600)
			for i := range each {
				n := (g*131 + i*97) % 600 // on both sides of copyLimit
				if i < 3 {
					n = copyLimit - 1 + i
				}
				msg := binary.BigEndian.AppendUint16(p[:0], uint16(i))
				msg = append(msg, pattern(n, g<<8+i)...)
				if r := a.send(a.app.channels[g], msg); r != core.SendOK {
					t.Errorf("message %d of sender %d: %v", i, g, r)
				}
				clear(p) // it was borrowed
			}
		})
	}
	wg.Wait()
	s.wantWakes(1, "messages from many goroutines")
	s.l.Run()

	got := make(map[uint32]int) // messages seen by channel
	for wire := a.wire; len(wire) > 0; {
		end := codec.HeaderSize + int(binary.BigEndian.Uint32(wire[8:]))
		ch, msg := binary.BigEndian.Uint32(wire[2:]), wire[codec.HeaderSize:end]
		i, g := int(binary.BigEndian.Uint16(msg)), int(ch/2)
		if i != got[ch] {
			t.Fatalf("channel %d: message %d arrives when %d is next", ch, i, got[ch])
		}
		if string(msg[2:]) != string(pattern(len(msg)-2, g<<8+i)) {
			t.Fatalf("channel %d: message %d of %d bytes is damaged", ch, i, len(msg))
		}
		got[ch]++
		wire = wire[end:]
	}
	for i := range senders {
		if got[odd(i)] != each {
			t.Errorf("channel %d: %d of %d messages", odd(i), got[odd(i)], each)
		}
	}
}

func grants(channels int, n uint32) (out [][]byte) {
	for i := range channels {
		out = append(out, grant(odd(i), n))
	}
	return out
}

// Who posts to a loop that has ended is told so, and nothing is kept for it.
func TestAClosedMailboxRefuses(t *testing.T) {
	s := newStage(t)
	a := s.serve(1)
	done := false
	s.l.Post(Op{Kind: Call, Func: func() { done = true }})
	s.wantWakes(1, "a post")
	s.l.Shutdown(core.End{Code: codec.Cancelled})
	if !done {
		t.Error("what was posted before the end is not done")
	}
	if s.l.Post(Op{Kind: Call, Func: func() { t.Error("done after the end") }}) {
		t.Error("a post after the end is taken")
	}
	for _, n := range []int{1, copyLimit, copyLimit + 1} {
		if s.l.Send(&a.lc, a.app.channels[0], make([]byte, n)) {
			t.Errorf("a message of %d bytes is taken after the end", n)
		}
	}
	select {
	case <-s.l.Call(func() { t.Error("called after the end") }):
	default:
		t.Error("who waits for a call that will not come waits for ever")
	}
	s.wantWakes(0, "posts after the end")
}

// A channel that ended before its messages were looked at costs nothing but their bytes.
func TestMessagesForAChannelThatIsGone(t *testing.T) {
	s := newStage(t)
	a := s.serve(2)
	gone, here := a.app.channels[0], a.app.channels[1]
	a.send(gone, []byte("lost"))
	a.send(here, []byte("before"))
	a.send(gone, pattern(copyLimit+1, 0))
	a.send(here, []byte("after"))
	a.hear(frame(codec.Error, 1, nil)) // before any of them is looked at
	s.settle()
	a.wantFrames("DATA 3 before", "DATA 3 after")
	a.wantLog("closed INTERNAL")
}

// A large mail is not kept for later small ones.
func TestMailDoesNotStayLarge(t *testing.T) {
	var m mailbox
	m.enter()
	for range keepOps + 1 {
		m.post(&Op{Kind: sendCopy, size: 100}, make([]byte, 100))
	}
	large := m.take(false)
	if len(large.ops) != keepOps+1 || len(large.bytes) != 100*len(large.ops) {
		t.Fatalf("%d operations and %d bytes", len(large.ops), len(large.bytes))
	}
	m.take(false)
	if cap(m.spare.ops) > keepOps || cap(m.spare.bytes) > keepBytes {
		t.Errorf("%d operations and %d bytes are kept", cap(m.spare.ops), cap(m.spare.bytes))
	}
}

// What is done is not kept alive by the mail it came in.
func TestMailKeepsNothingAlive(t *testing.T) {
	s := newStage(t)
	a := s.serve(1)
	a.send(a.app.channels[0], pattern(copyLimit+1, 0))
	s.l.Post(Op{Kind: Call, Conn: &a.lc, Func: func() {}})
	s.settle()
	for _, m := range []mail{s.l.mail.in, s.l.mail.spare} {
		for _, op := range m.ops[:cap(m.ops)] {
			if op.Conn != nil || op.Buf != nil || op.Func != nil {
				t.Errorf("%+v is kept", op)
			}
		}
	}
}

func TestPostingDoesNotAllocate(t *testing.T) {
	if pool.Poison {
		t.Skip("the poison build keeps a ledger")
	}
	var m mailbox
	msg := make([]byte, 64)
	post := func() {
		for range 100 {
			m.post(&Op{Kind: sendCopy, size: 64}, msg)
		}
		m.take(false)
	}
	post()
	post()
	if n := testing.AllocsPerRun(100, post); n != 0 {
		t.Errorf("%v allocations for 100 posts", n)
	}
}

func BenchmarkPost(b *testing.B) {
	var m mailbox
	m.enter()
	msg := make([]byte, 64)
	b.ReportAllocs()
	for i := range b.N {
		m.post(&Op{Kind: sendCopy, size: 64}, msg)
		if i%100 == 99 {
			m.take(false)
		}
	}
}

package sched

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// bench is a queue whose flows have backlogs of frames of the given sizes.
type bench struct {
	t       *testing.T
	flows   *Flows
	q       Queue
	backlog map[uint32][]int
}

func newBench(t *testing.T, n int) *bench {
	b := &bench{t: t, flows: NewFlows(3), backlog: make(map[uint32][]int)}
	b.flows.Grow(n + 1)
	return b
}

func (b *bench) send(flow uint32, sizes ...int) {
	b.backlog[flow] = append(b.backlog[flow], sizes...)
	b.q.Push(b.flows, flow)
}

// serve runs the queue for at most n services and tells them: c3 control of 3, 3 one frame of 3.
func (b *bench) serve(n int) string {
	var order []string
	for range n {
		flow, kind, _ := b.q.Next(b.flows, true)
		if kind == Nothing {
			break
		}
		if kind == Control {
			order = append(order, fmt.Sprint("c", flow))
			continue
		}
		frames := b.backlog[flow]
		if len(frames) == 0 {
			b.t.Fatalf("flow %d is served without a frame", flow)
		}
		b.backlog[flow] = frames[1:]
		b.q.Sent(b.flows, flow, frames[0], len(frames) > 1)
		order = append(order, fmt.Sprint(flow))
	}
	return strings.Join(order, " ")
}

func (b *bench) want(got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("served %s\n  want %s", got, want)
	}
}

func TestServiceOrder(t *testing.T) {
	t.Run("full frames alternate", func(t *testing.T) {
		b := newBench(t, 9)
		for flow := uint32(1); flow <= 3; flow++ {
			b.send(flow, Quantum, Quantum, Quantum)
		}
		b.want(b.serve(99), "1 2 3 1 2 3 1 2 3")
	})
	t.Run("a quantum of small frames is one turn", func(t *testing.T) {
		b := newBench(t, 9)
		b.send(1, 6000, 6000, 6000, 6000)
		b.send(2, Quantum, Quantum)
		b.want(b.serve(99), "1 1 1 2 1 2")
	})
	t.Run("a frame too long is paid back", func(t *testing.T) {
		b := newBench(t, 9)
		b.send(1, 3*Quantum, 3*Quantum)
		b.send(2, Quantum, Quantum, Quantum, Quantum, Quantum)
		b.want(b.serve(99), "1 2 2 2 1 2 2")
	})
	t.Run("control first, in order, once", func(t *testing.T) {
		b := newBench(t, 9)
		b.send(1, 10)
		for _, flow := range []uint32{5, 3, 5, 4, 3} {
			b.q.PushControl(b.flows, flow)
		}
		b.want(b.serve(2), "c5 c3")
		b.q.PushControl(b.flows, 5)
		b.want(b.serve(99), "c4 c5 1")
	})
	t.Run("who leaves loses its turn, not its debt", func(t *testing.T) {
		b := newBench(t, 9)
		b.send(1, 10)
		b.want(b.serve(1), "1")
		b.send(1, 2*Quantum) // had it kept its turn, it would owe less
		b.send(2, Quantum, Quantum, Quantum)
		b.want(b.serve(1), "1")
		b.send(1, 1)
		b.want(b.serve(99), "2 2 1 2")
	})
	t.Run("a newcomer waits behind all others", func(t *testing.T) {
		b := newBench(t, 9)
		b.send(1, Quantum, Quantum)
		b.send(2, Quantum, Quantum)
		b.want(b.serve(1), "1")
		b.send(3, Quantum)
		b.want(b.serve(99), "2 1 3 2")
	})
	t.Run("removed flows are not served", func(t *testing.T) {
		b := newBench(t, 9)
		for flow := uint32(1); flow <= 4; flow++ {
			b.send(flow, Quantum, Quantum)
		}
		b.q.Remove(b.flows, 1) // the head
		b.q.Remove(b.flows, 3)
		b.q.Remove(b.flows, 3)
		b.want(b.serve(99), "2 4 2 4")
		if !b.q.Empty() {
			t.Error("not empty")
		}
	})
}

// Over any stretch in which two flows both stay backlogged, their bytes differ by less than a quantum
// and two frames.
func TestFairInBytes(t *testing.T) {
	const flows, maxFrame = 16, 64 << 10
	r := rand.New(rand.NewPCG(3, 4))
	b := newBench(t, flows)
	for flow := uint32(1); flow <= flows; flow++ {
		for range 4000 {
			b.backlog[flow] = append(b.backlog[flow], 1+r.IntN(maxFrame>>(flow%8)))
		}
		b.q.Push(b.flows, flow)
	}
	var sent [flows + 1]int
	start := sent
	for i := range 20000 {
		flow, _, _ := b.q.Next(b.flows, true)
		n := b.backlog[flow][0]
		if b.backlog[flow] = b.backlog[flow][1:]; len(b.backlog[flow]) == 0 {
			break
		}
		b.q.Sent(b.flows, flow, n, true)
		sent[flow] += n
		if i%1000 == 999 {
			start = sent
		}
		for x := 1; x <= flows; x++ {
			for y := 1; y < x; y++ {
				d := (sent[x] - start[x]) - (sent[y] - start[y])
				if max(d, -d) > Quantum+2*maxFrame {
					t.Fatalf("after %d frames flows %d and %d are %d bytes apart", i, x, y, d)
				}
			}
		}
	}
}

// TestModel compares the queue with plain slices over random operations.
func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	b := newBench(t, 40)
	var control []uint32
	in := make(map[uint32]bool)
	for range 200000 {
		flow := 1 + r.Uint32N(40)
		switch r.IntN(4) {
		case 0:
			b.q.Push(b.flows, flow)
			in[flow] = true
		case 1:
			b.q.Remove(b.flows, flow)
			delete(in, flow)
		case 2:
			queued := false
			for _, c := range control {
				queued = queued || c == flow
			}
			if b.q.PushControl(b.flows, flow); !queued {
				control = append(control, flow)
			}
		case 3:
			got, kind, _ := b.q.Next(b.flows, true)
			switch {
			case len(control) > 0:
				if kind != Control || got != control[0] {
					t.Fatalf("%v %d, want control of %d", kind, got, control[0])
				}
				control = control[1:]
			case len(in) == 0:
				if kind != Nothing || !b.q.Empty() {
					t.Fatalf("%v %d from an empty queue", kind, got)
				}
			default:
				if kind != Data || !in[got] {
					t.Fatalf("%v %d, which is not queued", kind, got)
				}
				more := r.IntN(2) == 0
				b.q.Sent(b.flows, got, r.IntN(3*Quantum), more)
				if !more {
					delete(in, got)
				}
			}
		}
	}
}

// The cost of a frame does not grow with the number of backlogged flows, and nothing is allocated.
func BenchmarkFrame(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t := NewFlows(9)
			t.Grow(n + 1)
			var q Queue
			for flow := range n {
				q.Push(t, uint32(flow+1))
			}
			b.ReportAllocs()
			for b.Loop() {
				flow, _, _ := q.Next(t, true)
				q.Sent(t, flow, Quantum, true)
			}
		})
	}
}

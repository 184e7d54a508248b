package sched

import (
	"fmt"
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
	b := &bench{t: t, flows: NewFlows(3, Quantum), backlog: make(map[uint32][]int)}
	b.flows.Grow(n + 1)
	return b
}

func (b *bench) send(flow uint32, sizes ...int) { b.sendIn(0, flow, sizes...) }

func (b *bench) sendIn(class uint8, flow uint32, sizes ...int) {
	b.backlog[flow] = append(b.backlog[flow], sizes...)
	b.q.Push(b.flows, flow, class)
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

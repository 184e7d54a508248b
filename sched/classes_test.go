package sched

import (
	"strings"
	"testing"
	"unsafe"
)

// The sum of the weights is what the share of the lowest class rests on.
func TestWeights(t *testing.T) {
	sum := 0
	for class := range uint8(Classes) {
		sum += Weight(class)
		if class > 0 && Weight(class) <= Weight(class-1) {
			t.Errorf("class %d weighs %d, the one below %d", class, Weight(class), Weight(class-1))
		}
	}
	if sum != 52 || sum*Weight(0) > 64 {
		t.Errorf("the sum is %d", sum)
	}
	if most := Weight(Classes-1) * Unit; most < Quantum {
		t.Errorf("the highest class may send %d bytes in a round, less than a frame", most)
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name      string
		size, max uintptr
	}{
		{"node", unsafe.Sizeof(node{}), 16},
		{"Queue", unsafe.Sizeof(Queue{}), 16},
		{"classes", unsafe.Sizeof(classes{}), 68},
	} {
		if c.size > c.max {
			t.Errorf("%s has %d bytes, limit %d", c.name, c.size, c.max)
		}
	}
}

// fill gives flow f, of class f-1, frames of a size.
func (b *bench) fill(size, n int, flows ...uint32) {
	for _, f := range flows {
		for range n {
			b.sendIn(uint8(f-1), f, size)
		}
	}
}

func TestClassOrder(t *testing.T) {
	t.Run("all classes, frames of a unit: two rounds", func(t *testing.T) {
		b := newBench(t, 9)
		b.fill(Unit, 32, 1, 2, 3, 4, 5, 6, 7, 8)
		round := "8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 7 7 7 7 7 7 7 7 7 7 7 7 6 6 6 6 6 6 6 6 " +
			"5 5 5 5 5 5 4 4 4 4 3 3 3 2 2 1"
		b.want(b.serve(104), round+" "+round)
	})
	t.Run("all classes, full frames: the lower sit out", func(t *testing.T) {
		b := newBench(t, 9)
		b.fill(Quantum, 99, 1, 2, 3, 4, 5, 6, 7, 8)
		b.want(b.serve(52), "8 7 6 5 4 3 2 1 8 7 8 7 6 5 8 8 7 6 4 8 7 5 3 8 7 6 8 8 7 6 5 4 2 8 7 8 7 6 5 3 "+
			"8 8 7 6 4 8 7 5 8 7 6 8")
	})
	t.Run("the newly urgent is next, before lower ones go on", func(t *testing.T) {
		b := newBench(t, 9)
		b.fill(Quantum, 9, 1, 4)
		b.want(b.serve(3), "4 1 4")
		b.fill(64, 1, 8)
		b.want(b.serve(1), "8")
		b.fill(64, 2, 8)
		b.fill(64, 1, 6)
		b.want(b.serve(4), "8 8 6 4")
	})
	t.Run("also within a turn, which goes on behind it", func(t *testing.T) {
		b := newBench(t, 9)
		b.send(1, 6000, 6000, 6000)
		b.send(2, 6000)
		b.want(b.serve(1), "1")
		b.fill(64, 1, 8)
		b.want(b.serve(99), "8 1 1 2")
	})
	t.Run("who had its share waits for the round, also if it went and came back", func(t *testing.T) {
		b := newBench(t, 9)
		b.fill(Unit, 99, 7)
		var order []string
		for range 32 {
			if len(b.backlog[8]) == 0 {
				b.fill(8*Unit, 1, 8)
			}
			order = append(order, b.serve(1))
		}
		round := "8 8 7 7 7 7 7 7 7 7 7 7 7 7"
		b.want(strings.Join(order, " "), round+" "+round+" 8 8 7 7")
	})
	t.Run("flows of a class alternate", func(t *testing.T) {
		b := newBench(t, 9)
		for flow := uint32(1); flow <= 4; flow++ {
			b.sendIn(uint8(4+flow%2), flow, Quantum, Quantum, Quantum)
		}
		b.want(b.serve(99), "1 2 3 4 1 2 3 1 4 3 2 4")
	})
	t.Run("who is moved is behind its new class", func(t *testing.T) {
		b := newBench(t, 9)
		for flow := uint32(1); flow <= 4; flow++ {
			b.send(flow, Quantum)
		}
		b.q.Move(b.flows, 4, 7)
		b.q.Move(b.flows, 3, 7)
		b.q.Move(b.flows, 1, 0) // where it is
		b.q.Move(b.flows, 9, 7) // has nothing to send
		b.want(b.serve(99), "4 1 3 2")
	})
	t.Run("what is removed with its class", func(t *testing.T) {
		b := newBench(t, 9)
		b.fill(64, 2, 8, 1)
		b.q.Remove(b.flows, 8)
		b.want(b.serve(99), "1 1")
		if !b.q.Empty() || b.q != (Queue{}) {
			t.Errorf("left: %+v", b.q)
		}
	})
	t.Run("control before all classes", func(t *testing.T) {
		b := newBench(t, 9)
		b.fill(64, 1, 1, 8)
		b.q.PushControl(b.flows, 1)
		b.want(b.serve(99), "c1 8 1")
	})
}

func TestStrictOrder(t *testing.T) {
	b := newBench(t, 9)
	b.flows.Strict = true
	b.fill(Quantum, 3, 1, 4, 8)
	b.want(b.serve(4), "8 8 8 4")
	b.fill(Quantum, 2, 6)
	b.want(b.serve(99), "6 6 4 4 1 1 1")
	if b.q != (Queue{}) {
		t.Errorf("left: %+v", b.q)
	}
}

// A queue of one class needs no memory for classes, and gives back what it had.
func TestClassesAreGivenBack(t *testing.T) {
	b := newBench(t, 9)
	var other Queue
	for range 100 {
		b.fill(Quantum, 99, 4)
		b.fill(Quantum, 2, 1)
		other.Push(b.flows, 9, 3)
		if b.q.classes == 0 || other.classes != 0 {
			t.Fatalf("classes %d and %d", b.q.classes, other.classes)
		}
		b.serve(60)
		if b.q.classes != 0 {
			t.Fatal("classes are kept though all but one have been idle, and owe nothing")
		}
		b.q.Remove(b.flows, 4)
		delete(b.backlog, 4)
	}
	if len(b.flows.classes.all) != 2 {
		t.Errorf("%d places for classes", len(b.flows.classes.all))
	}
}

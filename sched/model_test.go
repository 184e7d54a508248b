package sched

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestModel compares the queue with plain slices over random operations.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{flows: NewFlows(3, 2*Quantum), in: make(map[uint32]uint8)}
		m.flows.Strict = rapid.Bool().Draw(t, "strict")
		m.flows.Grow(41)
		for _, op := range rapid.SliceOfN(rapid.Uint32(), 1, 2000).Draw(t, "operations") {
			m.do(t, 1+op>>8%40, uint8(op>>5&7), op&31)
			m.check(t)
		}
	})
}

type model struct {
	flows   *Flows
	q       Queue
	control []uint32
	in      map[uint32]uint8 // flows with data, and their classes
}

// do does one operation.
func (m *model) do(t *rapid.T, flow uint32, class uint8, op uint32) {
	switch {
	case op < 8:
		m.q.Push(m.flows, flow, class)
		if _, ok := m.in[flow]; !ok {
			m.in[flow] = class
		}
	case op < 12:
		m.q.Remove(m.flows, flow)
		delete(m.in, flow)
	case op < 16:
		m.q.Move(m.flows, flow, class)
		if _, ok := m.in[flow]; ok {
			m.in[flow] = class
		}
	case op < 18:
		if m.q.PushControl(m.flows, flow); !slices.Contains(m.control, flow) {
			m.control = append(m.control, flow)
		}
	default:
		m.next(t, int(op)*2000, op&1 == 0)
	}
}

// next serves somebody.
func (m *model) next(t *rapid.T, n int, more bool) {
	got, kind, budget := m.q.Next(m.flows, true)
	class, in := m.in[got]
	switch {
	case len(m.control) > 0:
		if kind != Control || got != m.control[0] {
			t.Fatalf("%v %d, want control of %d", kind, got, m.control[0])
		}
		m.control = m.control[1:]
		return
	case len(m.in) == 0:
		if kind != Nothing {
			t.Fatalf("%v %d from an empty queue", kind, got)
		}
		return
	case kind != Data || !in || budget <= 0:
		t.Fatalf("%v %d, budget %d, which is queued: %v", kind, got, budget, in)
	}
	for _, other := range m.in {
		if m.flows.Strict && other > class {
			t.Fatalf("class %d is served before %d", class, other)
		}
	}
	if m.q.Sent(m.flows, got, min(n, 2*Quantum), more); !more {
		delete(m.in, got)
	}
}

// check compares the books.
func (m *model) check(t *rapid.T) {
	if m.q.OnlyControl() != (len(m.in) == 0) || m.q.OnlyData() != (len(m.control) == 0) ||
		m.q.Empty() != (len(m.in)+len(m.control) == 0) {
		t.Fatalf("%d flows with data and %d with control in %+v", len(m.in), len(m.control), m.q)
	}
	for flow := uint32(1); flow <= 40; flow++ {
		class, in := m.in[flow]
		if m.q.HasData(m.flows, flow) != in || in && m.q.Class(m.flows, flow) != class {
			t.Fatalf("flow %d in class %d: %v, want %v in %d", flow, m.q.Class(m.flows, flow), !in, in, class)
		}
	}
	if len(m.in) == 0 && m.q.classes != 0 || len(m.flows.classes.all) > 2 {
		t.Fatalf("%d places for classes, that of an idle queue is %d", len(m.flows.classes.all), m.q.classes)
	}
}

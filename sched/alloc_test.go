// The race detector and the poison build are no place to count allocations.
//go:build !race && !poison

package sched

import "testing"

func TestNothingIsAllocated(t *testing.T) {
	flows, q := crowd(100, 4, true)
	flows.Grow(102)
	var other Queue
	n := testing.AllocsPerRun(10_000, func() {
		flow, _, _ := q.Next(flows, true)
		q.Sent(flows, flow, 5000, true)
		q.Push(flows, 101, 7)
		q.Move(flows, 101, 6)
		q.PushControl(flows, 101)
		q.Next(flows, true)
		q.Remove(flows, 101)
		if other.Empty() { // comes to have classes, and loses them, again and again
			q.Remove(flows, 50)
			q.Remove(flows, 51)
			other.Push(flows, 50, 1)
			other.Push(flows, 51, 2)
		}
		flow, _, _ = other.Next(flows, true)
		other.Sent(flows, flow, 5000, false)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

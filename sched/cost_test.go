package sched

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// crowd is a queue of n flows in so many classes that are backlogged for ever. They stand in the order of their
// numbers, so that the next one's node is near, or in a random one.
func crowd(n, classes int, random bool) (*Flows, *Queue) {
	t, q := NewFlows(9, Quantum), new(Queue)
	t.Grow(n + 1)
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for i := range n {
		flow := i
		if random {
			flow = order[i]
		}
		q.Push(t, uint32(flow+1), uint8(i%classes))
	}
	return t, q
}

// The cost of a frame does not grow with the number of backlogged flows, and nothing is allocated. What does
// grow is how far the next flow's node is from the last one's, in memory: see the random order.
func BenchmarkFrame(b *testing.B) {
	for _, classes := range []int{1, 8} {
		for _, order := range []string{"sequential", "random"} {
			for _, n := range []int{10, 1000, 100_000, 1_000_000} {
				b.Run(fmt.Sprintf("classes=%d/%s/%d", classes, order, n), func(b *testing.B) {
					t, q := crowd(n, classes, order == "random")
					b.ReportAllocs()
					for b.Loop() {
						flow, _, _ := q.Next(t, true)
						q.Sent(t, flow, Quantum, true)
					}
				})
			}
		}
	}
}

// A flow that comes and goes, beside others that are backlogged.
func BenchmarkUrgent(b *testing.B) {
	for _, n := range []int{10, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			t, q := crowd(n, 1, false)
			t.Grow(n + 2)
			b.ReportAllocs()
			for b.Loop() {
				q.Push(t, uint32(n+1), Classes-1)
				flow, _, _ := q.Next(t, true)
				q.Sent(t, flow, 80, false)
			}
		})
	}
}

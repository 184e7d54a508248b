package sched

import (
	"testing"

	"pgregory.net/rapid"
)

// The properties hold over any stretch of time: what comes before it is as random as what is in it.

const maxFrame = 64 << 10

// backlogged is flows that always have data.
type backlogged struct {
	flows *Flows
	q     Queue
	class []uint8 // of each
	frame []int   // the longest of each
	sent  []int   // bytes of each
}

func drawBacklogged(t *rapid.T, strict bool) *backlogged {
	n := rapid.IntRange(2, 24).Draw(t, "flows")
	b := &backlogged{
		flows: NewFlows(3, maxFrame), class: make([]uint8, n+1), frame: make([]int, n+1), sent: make([]int, n+1),
	}
	b.flows.Strict = strict
	b.flows.Grow(n + 1)
	for f := uint32(1); f <= uint32(n); f++ {
		b.class[f] = rapid.Uint8Range(0, Classes-1).Draw(t, "class")
		b.frame[f] = 1 << rapid.IntRange(6, 16).Draw(t, "frame")
		b.q.Push(b.flows, f, b.class[f])
	}
	return b
}

// serve sends a frame, and returns whose it was.
func (b *backlogged) serve(t *rapid.T, size func(most int) int) uint32 {
	f, kind, budget := b.q.Next(b.flows, true)
	if kind != Data || budget <= 0 {
		t.Fatalf("%v of %d, budget %d", kind, f, budget)
	}
	n := size(b.frame[f])
	b.q.Sent(b.flows, f, n, true)
	b.sent[f] += n
	return f
}

// sizes draws one seed for many sizes: rapid is slow with one for each.
func sizes(t *rapid.T) func(most int) int {
	x := rapid.Uint64Range(1, 1<<63).Draw(t, "seed")
	return func(most int) int {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return 1 + int(x%uint64(most))
	}
}

// Flows of a class that are backlogged all the time are never further apart than a quantum and two frames.
func TestFairInBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBacklogged(t, rapid.Bool().Draw(t, "strict"))
		size := sizes(t)
		for range rapid.IntRange(0, 200).Draw(t, "before") {
			b.serve(t, size)
		}
		clear(b.sent)
		for range 500 {
			f := b.serve(t, size)
			for g := range b.sent {
				if g == 0 || b.class[g] != b.class[f] {
					continue
				}
				if d := b.sent[f] - b.sent[g]; d > int(b.flows.quantum)+2*maxFrame {
					t.Fatalf("flows %d and %d are %d bytes apart", f, g, d)
				}
			}
		}
	})
}

// A class that is backlogged all the time gets its share by weight and the lowest one 1/64, but for the bound in
// the package's documentation, though flows of other classes come and go as suits them best.
func TestShares(t *testing.T) {
	sum := 0
	for class := range uint8(Classes) {
		sum += Weight(class)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := drawBacklogged(t, false)
		size := sizes(t)
		total, got, ready := 0, [Classes]int{}, [Classes]int{}
		for f := 1; f < len(b.class); f++ {
			ready[b.class[f]]++
		}
		from := rapid.IntRange(0, 200).Draw(t, "before")
		fickle := rapid.Uint8().Draw(t, "classes that come and go")
		var away []uint32
		for i := range 800 {
			if i == from {
				total, got = 0, [Classes]int{}
			}
			f, _, _ := b.q.Next(b.flows, true)
			n, class := size(b.frame[f]), b.class[f]
			total, got[class] = total+n, got[class]+n
			leaves := fickle&(1<<class) != 0 && size(3) == 1 && len(away) < len(b.class)-2
			if b.q.Sent(b.flows, f, n, !leaves); leaves {
				away = append(away, f)
			}
			if len(away) > 0 && size(2) == 1 {
				b.q.Push(b.flows, away[0], b.class[away[0]])
				away = away[1:]
			}
			for class, flows := range ready {
				w := Weight(uint8(class))
				if flows == 0 || fickle&(1<<class) != 0 {
					continue
				}
				if least := total*w/sum - 4*maxFrame - 2*w*Unit; got[class] < least {
					t.Fatalf("class %d got %d of %d bytes, not %d", class, got[class], total, least)
				}
			}
		}
	})
}

// Whoever comes to a class that has not had its share is served before all lower classes.
func TestUrgentIsNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBacklogged(t, rapid.Bool().Draw(t, "strict"))
		size := sizes(t)
		urgent := uint32(len(b.class))
		b.flows.Grow(int(urgent) + 1)
		class := rapid.Uint8Range(0, Classes-1).Draw(t, "class")
		for range 100 {
			for range size(8) {
				b.serve(t, size)
			}
			b.q.Push(b.flows, urgent, class)
			for range 50 {
				f, _, _ := b.q.Next(b.flows, true)
				if f == urgent {
					break
				}
				if b.class[f] < class && !b.spent(class) {
					t.Fatalf("flow %d of class %d is served before one of %d", f, b.class[f], class)
				}
				b.serve(t, size)
			}
			b.q.Remove(b.flows, urgent)
		}
	})
}

// spent returns whether a class has had its share of this round.
func (b *backlogged) spent(class uint8) bool {
	return !b.flows.Strict && b.q.classes != 0 && b.flows.classes.all[b.q.classes].credit[class] <= 0
}

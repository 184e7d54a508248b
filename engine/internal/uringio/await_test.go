//go:build linux

package uringio

import "testing"

// A loop whose spins find nothing spins less and less often; one whose spins find something always does, and goes on
// through a few vain ones.
func TestSpinner(t *testing.T) {
	var s spinner
	spins := func(waits int, found bool) (n int) {
		for range waits {
			if s.due() {
				s.note(found)
				n++
			}
		}
		return n
	}
	if n := spins(10_000, false); n < 10 || n > 10_000/mostRest+6 {
		t.Errorf("%d vain spins in 10,000 waits", n)
	}
	if n := spins(mostRest+100, true); n < 100 {
		t.Errorf("%d spins of %d that find something", n, mostRest+100)
	}
	if n := spins(mostTrust-1, false); n != mostTrust-1 {
		t.Errorf("%d spins after some that found something, want %d", n, mostTrust-1)
	}
	if n := spins(100, true); n != 100 {
		t.Errorf("%d spins of 100", n)
	}
	if n := spins(1+mostTrust+leastRest, false); n != mostTrust+1 {
		t.Errorf("%d vain spins in a row, want %d", n, mostTrust+1)
	}
}

// How many connections talk shows after a window or two, be there one or many, and whatever the order.
func TestCrowd(t *testing.T) {
	var w crowd
	var heard [1000]uint32
	for _, conns := range []int{1, 4, 50, 1000, 2} {
		for i := range 3 * crowdWindow {
			c := &heard[i%conns]
			*c = w.hears(*c)
		}
		if want := min(conns, crowdWindow); w.last != want {
			t.Errorf("%d talk, of %d", w.last, conns)
		}
	}
}

package sim

import (
	"testing"

	"github.com/sscd-io/sscd/pool"
)

// A few of the small conversations, in every way they can go; scripts/simulate -small looks at all of them.
func TestSmall(t *testing.T) {
	first, every := 0, 500
	switch {
	case pool.Poison || raceEnabled: // one of the shorter ones: a step takes a hundred times as long
		first, every = 1200, 1200
	case testing.Short():
		every = 1200
	}
	m := new(Small)
	for plot := first; plot < m.Plots(); plot += every {
		if s, f := m.Run(plot); f != nil {
			t.Fatalf("conversation %d: %v\n%v", plot, f, s)
		}
	}
	t.Logf("%d states, %d ends, %d steps", m.States, m.Ends, m.Steps)
}

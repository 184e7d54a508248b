package core

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestIDTable compares the table with a map, over ids as both sides give them, some left out, that come and go.
func TestIDTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, stride := range []uint32{2, 16, 32, 1 << 12, 1 << 20} {
		var ids *idTable
		if ids.len() != 0 {
			t.Fatal("a nil table is not empty")
		}
		if _, ok := ids.get(1); ok {
			t.Fatal("a nil table has a channel")
		}
		ids = newIDTable(idFactor(r.Uint64()))
		model := make(map[uint32]uint32)
		var open []uint32
		next := [2]uint32{1, 2}
		for i := range uint32(20_000) {
			if few := len(open) == 0 || r.IntN(1000) > len(open); few {
				id := &next[r.IntN(2)]
				ids.put(*id, i)
				model[*id] = i
				open = append(open, *id)
				*id += stride * (1 + r.Uint32N(2))
			} else {
				j := r.IntN(len(open))
				ids.drop(open[j])
				delete(model, open[j])
				open[j] = open[len(open)-1]
				open = open[:len(open)-1]
			}
			if ids.drop(next[0]); ids.len() != len(model) {
				t.Fatalf("%d channels, want %d", ids.len(), len(model))
			}
		}
		if got := maps.Collect(ids.all); !maps.Equal(got, model) {
			t.Errorf("stride %d: %v, want %v", stride, got, model)
		}
		for id, slot := range model {
			if got, ok := ids.get(id); got != slot || !ok {
				t.Errorf("channel %d: slot %d, %v, want %d", id, got, ok, slot)
			}
		}
		if _, ok := ids.get(next[1]); ok {
			t.Errorf("channel %d is there", next[1])
		}
	}
}

// passes is how many lines a search for one of these ids passes, on average.
func passes(factor uint64, first, stride, n uint32) float64 {
	ids, passed := newIDTable(factor), 0
	for i := range n {
		ids.put(first+stride*i, i)
	}
	for i := range n {
		id := first + stride*i
		passed += (ids.find(id) - ids.line(id)) & (len(ids.places) - 1) / linePlaces
	}
	return float64(passed) / float64(n)
}

// No choice of ids makes a search long.
func TestIDTableHasNoWorstIDs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for stride := uint32(2); stride <= 1<<19; stride *= 2 {
		if mean := passes(idFactor(r.Uint64()), 1, stride, 8000); mean > 16 {
			t.Errorf("ids %d apart: a search passes %.1f lines", stride, mean)
		}
	}
}

// Ids in a row spread evenly, whatever the seed is, and wherever the row begins.
func TestIDTableSpreadsIDsInARow(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		seed, first, n := r.Uint64(), r.Uint32()|1, 10+r.Uint32N(10_000)
		if mean := passes(idFactor(seed), first/2|1, 2, n); mean > 0.5 {
			t.Errorf("seed %#x: a search among %d ids from %d on passes %.1f lines", seed, n, first/2|1, mean)
		}
	}
	const golden = 0x9E3779B97F4A7C15
	if f := idFactor(0); f-golden+8 > 16 {
		t.Errorf("the multiplier for the seed 0 is %#x, want about %#x", f, uint64(golden))
	}
}

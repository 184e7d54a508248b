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
		ids = newIDTable(r.Uint64())
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

// No choice of ids makes a search long: it is about as long for those of any stride as for those in a row.
func TestIDTableHasNoWorstIDs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for stride := uint32(2); stride <= 1<<19; stride *= 2 {
		ids, steps := newIDTable(r.Uint64()), 0
		const n = 8000
		for i := range uint32(n) {
			ids.put(1+stride*i, i)
		}
		for i := range uint32(n) {
			id := 1 + stride*i
			steps += (ids.find(id) - ids.home(id)) & (len(ids.places) - 1)
		}
		if mean := float64(steps) / n; mean > 64 {
			t.Errorf("ids %d apart: a search takes %.0f steps", stride, mean)
		}
	}
}

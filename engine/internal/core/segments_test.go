package core

import "testing"

// The store of segments grows without a copy, however long queues become: none that is in use ever moves.
func TestSegmentsStayWhereTheyAre(t *testing.T) {
	var s segments
	var taken []*segment
	for range 10 * slab {
		i, g := s.take()
		if i == 0 || s.at(i) != g || *g != (segment{}) {
			t.Fatalf("segment %d: %+v", i, *g)
		}
		g.off = i
		taken = append(taken, g)
	}
	for _, g := range taken {
		if s.at(g.off) != g {
			t.Fatalf("segment %d has moved", g.off)
		}
	}
	n := s.len()
	for _, g := range taken {
		s.give(g.off)
	}
	for range taken {
		s.take()
	}
	if s.len() != n {
		t.Errorf("there were %d, and are %d", n, s.len())
	}
}

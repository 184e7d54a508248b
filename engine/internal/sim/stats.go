package sim

import (
	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// Stats count what worlds covered.
type Stats struct {
	Worlds, Steps, Frames uint64
	Bytes                 uint64 // that left a side
	Verified              uint64 // bytes of data, compared with what was written
	Files                 uint64 // of which a range was to be sent
	Holes                 uint64 // ranges that were not there when they were to leave
	Ops                   [NumKinds]uint64
	Events                [core.Down + 1]uint64
	Ends                  [codec.Cancelled + 2]uint64 // of connections, by code
	Seen                  [core.NumStates][256]uint64 // frames by the state they found their channel in
}

// Add adds what others counted.
func (s *Stats) Add(o *Stats) {
	s.Worlds += o.Worlds
	s.Steps += o.Steps
	s.Frames += o.Frames
	s.Bytes += o.Bytes
	s.Verified += o.Verified
	s.Files += o.Files
	s.Holes += o.Holes
	add(s.Ops[:], o.Ops[:])
	add(s.Events[:], o.Events[:])
	add(s.Ends[:], o.Ends[:])
	for i := range s.Seen {
		add(s.Seen[i][:], o.Seen[i][:])
	}
}

func add(to, from []uint64) {
	for i, n := range from {
		to[i] += n
	}
}

package sim

import "fmt"

// recheck is how many seeds there are to one that is run again, to see that it happens again.
const recheck = 100

// RunSeed runs the world of a seed. One in recheck runs again in the same way, and must go the same way; and
// again with all that arrives cut into pieces, which must make no difference.
func (w *World) RunSeed(seed uint64) *Failure {
	s := Expand(seed)
	if f := w.Run(s); f != nil || seed%recheck != 0 {
		return f
	}
	hash := w.hash
	if f := w.Run(s); f != nil || w.hash != hash {
		return &Failure{seed, len(s.Ops), "determinism", fmt.Sprintf("a second run went another way: %v", f)}
	}
	w.split = mix(seed) | 1
	f := w.Run(s)
	w.split = 0
	if f != nil || w.hash != hash {
		return &Failure{seed, len(s.Ops), "split invariance", fmt.Sprintf("in pieces it went another way: %v", f)}
	}
	return nil
}

package sim

import "slices"

// Shrink looks for the shortest script that still fails in the way s does, and returns it with its failure.
// It runs at most so many operations.
func Shrink(s *Script, f *Failure, operations int) (*Script, *Failure) {
	h := &shrinker{w: NewWorld(), oracle: f.Oracle, left: operations}
	best := &Script{s.Setup, slices.Clone(s.Ops[:min(len(s.Ops), f.Step+1)])}
	if !h.try(best) {
		best.Ops = slices.Clone(s.Ops)
		if !h.try(best) {
			return s, f // it does not fail alone
		}
	}
	for before := -1; before != h.left && h.left > 0; {
		before = h.left
		kept := h.kept
		best = h.drop(best)
		best = h.shorten(best)
		best = h.plain(best)
		if h.kept == kept {
			break
		}
	}
	return best, h.found
}

// shrinker tries shorter scripts.
type shrinker struct {
	w      *World
	oracle string // that must fail
	left   int    // operations to run
	kept   int    // scripts that were shorter and failed
	found  *Failure
}

// try returns whether s fails as it should.
func (h *shrinker) try(s *Script) bool {
	const lively = 200 // what the liveness phase counts
	if h.left -= lively + len(s.Ops); h.left < 0 {
		return false
	}
	f := h.w.Run(s)
	if f == nil || f.Oracle != h.oracle {
		return false
	}
	h.found = f
	h.kept++
	return true
}

// drop leaves operations out, many at once first.
func (h *shrinker) drop(s *Script) *Script {
	for n := max(len(s.Ops)/2, 1); ; n /= 2 {
		for at := 0; at < len(s.Ops); {
			shorter := &Script{s.Setup, slices.Delete(slices.Clone(s.Ops), at, min(at+n, len(s.Ops)))}
			if h.try(shorter) {
				s = shorter
			} else {
				at += n
			}
		}
		if n == 1 {
			return s
		}
	}
}

// shorten makes the numbers of operations smaller.
func (h *shrinker) shorten(s *Script) *Script {
	for i := range s.Ops {
		for _, change := range []func(*Op){
			func(op *Op) { op.N = 0 },
			func(op *Op) { op.N = 1 },
			func(op *Op) { op.N /= 2 },
			func(op *Op) { op.N /= 2 },
			func(op *Op) { op.N-- },
			func(op *Op) { op.Pick = 0 },
			func(op *Op) { op.Pick = 1 },
		} {
			next := &Script{s.Setup, slices.Clone(s.Ops)}
			change(&next.Ops[i])
			if op, was := next.Ops[i], s.Ops[i]; op.N <= was.N && op.Pick <= was.Pick && op != was && h.try(next) {
				s = next
			}
		}
	}
	return s
}

// plain makes the setup what it usually is, where that changes nothing.
func (h *shrinker) plain(s *Script) *Script {
	for _, change := range []func(*Setup){
		func(u *Setup) { u.Window = 65536 },
		func(u *Setup) { u.FrameSize = 16384 },
		func(u *Setup) { u.SendQueue = 65536 },
		func(u *Setup) { u.MaxChannels = 65536 },
		func(u *Setup) { u.SendBuffer = 1 << 18 },
		func(u *Setup) { u.MaxWrite = 1 << 20 },
		func(u *Setup) { u.Live = 64 },
		func(u *Setup) { u.ByHand = 0 },
		func(u *Setup) { u.Mail = false },
		func(u *Setup) { u.Resets = false },
		func(u *Setup) { u.Fair = false },
		func(u *Setup) { u.Batch = 0 },
	} {
		next := &Script{s.Setup, s.Ops}
		if change(&next.Setup); next.Setup != s.Setup && h.try(next) {
			s = next
		}
	}
	return s
}

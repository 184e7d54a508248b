package core

import (
	"sync/atomic"

	"github.com/sscd-io/sscd/codec"
)

// Counters count what the connections of an arena did. The plain ones belong to the loop; the atomic
// ones, of rarer things, may be read from anywhere.
type Counters struct {
	FramesIn, FramesOut uint64

	Accepted atomic.Uint64 // channels the peers opened
	Opened   atomic.Uint64 // channels we opened
	Refused  atomic.Uint64 // of the peers' OPENs
	Late     atomic.Uint64 // frames of closed channels
	Scarce   atomic.Uint64 // of Refused: for want of memory
	Starved  atomic.Uint64 // messages turned away for want of memory, of channels with nothing queued

	ErrorsSent, ErrorsReceived ErrorCounts
}

// ErrorCounts counts ERRORs by code; the codes of applications share the last place.
type ErrorCounts [codec.Cancelled + 2]atomic.Uint64

func (e *ErrorCounts) add(c codec.Code) {
	e[min(c.Known(), codec.Cancelled+1)].Add(1)
}

// Each calls f with each code that was counted.
func (e *ErrorCounts) Each(f func(codec.Code, uint64)) {
	for i := range e {
		n := e[i].Load()
		code := codec.Code(i)
		if i == len(e)-1 {
			code = codec.FirstApplicationCode
		}
		if n > 0 {
			f(code, n)
		}
	}
}

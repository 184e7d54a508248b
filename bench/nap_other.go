//go:build !linux

package bench

import "time"

// napper waits with the precision of the runtime's timers.
type napper struct{}

func newNapper() napper { return napper{} }

func (napper) nap(d time.Duration) { time.Sleep(d) }

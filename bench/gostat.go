package bench

import (
	"math"
	"runtime/metrics"
	"time"
)

// Runtime is what a Go process's runtime tells without stopping it. All but Heap count since the process's start.
type Runtime struct {
	Heap   int64         `json:"heap_bytes"`  // objects, garbage included
	GCs    uint64        `json:"gcs"`         // collections
	GCCPU  time.Duration `json:"gc_cpu_ns"`   // of collections that are over
	Pauses uint64        `json:"gc_pauses"`   // of all goroutines, for collections
	Pause  time.Duration `json:"gc_pause_ns"` // the longest, rounded up to a bucket of the runtime's
}

// readRuntime reads this process's, and how many objects it has allocated.
func readRuntime() (mallocs uint64, r Runtime) {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/sched/pauses/total/gc:seconds"},
	}
	metrics.Read(s)
	r = Runtime{
		Heap: int64(s[2].Value.Uint64()), GCs: s[3].Value.Uint64(), GCCPU: seconds(s[4].Value.Float64()),
	}
	h := s[5].Value.Float64Histogram()
	for i, n := range h.Counts {
		if r.Pauses += n; n > 0 {
			r.Pause = seconds(finiteEdge(h.Buckets[i], h.Buckets[i+1]))
		}
	}
	return s[0].Value.Uint64() + s[1].Value.Uint64(), r
}

// finiteEdge is a bucket's upper end, or its lower one where that is infinite.
func finiteEdge(low, high float64) float64 {
	if math.IsInf(high, 1) {
		return low
	}
	return high
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of latencies told apart, with three digits. What is longer counts as the longest.
const (
	minLatency = int64(time.Microsecond)
	maxLatency = int64(100 * time.Second)
)

// Latencies is a histogram that several goroutines fill.
type Latencies struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

// NewLatencies returns an empty one.
func NewLatencies() *Latencies {
	return &Latencies{h: hdrhistogram.New(minLatency, maxLatency, 3)}
}

// Record adds a latency.
func (l *Latencies) Record(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.RecordValue(min(max(int64(d), minLatency), maxLatency))
}

// Reset forgets all.
func (l *Latencies) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.h.Reset()
}

// Above returns what part of those recorded is longer than d.
func (l *Latencies) Above(d time.Duration) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, all := int64(0), max(l.h.TotalCount(), 1)
	for _, bar := range l.h.Distribution() {
		if bar.From > int64(d) {
			n += bar.Count
		}
	}
	return float64(n) / float64(all)
}

// Summary returns the percentiles reported, or nil if nothing was recorded.
func (l *Latencies) Summary() *Latency {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) time.Duration { return time.Duration(l.h.ValueAtQuantile(q)) }
	return &Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(l.h.Max())}
}

// Latency is the distribution of times from the moment a message was sent, or should have been, to its
// last byte's return.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p99.9_ns"`
	Max  time.Duration `json:"max_ns"`
}

package bench

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// LineResult is what downloads got over a line, in bytes of payload a second.
type LineResult struct {
	RTT   time.Duration `json:"rtt_ns"` // the median of PINGs on an idle connection
	Fixed float64       `json:"one_fixed_bytes_per_second"`
	One   float64       `json:"one_bytes_per_second"` // one channel whose window grows
	All   float64       `json:"all_bytes_per_second"` // all channels together
	Low   float64       `json:"lowest_bytes_per_second"`
	High  float64       `json:"highest_bytes_per_second"`
}

// lineQueueBytes is what waits on a channel that always has more to send.
const lineQueueBytes = 64 << 10

// MeasureLine measures a line that a relay makes: the round trip time, and downloads on one channel, with windows of
// window bytes and with windows that grow, and on o.Channels. Of o it takes Channels, Duration and Client besides.
func MeasureLine(
	ctx context.Context, o Options, line Line, window int, server ServerConfig, p Program, progress Progress,
) (*LineResult, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2)) // as in measureRTTs
	server.MaxChannels = max(65536, o.Channels)
	// Each channel's queue is full, and the windows that grow come on top.
	server.ConnMemory = max(server.ConnMemory, 64<<20+int64(o.Channels)*2*lineQueueBytes)
	server.Memory = max(server.Memory, 2*server.ConnMemory)
	s, err := p.StartServer(ctx, server)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	r, err := startRelay(s.Addr, line)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	o.Addr, o.Conns, o.Mode = r.addr, 1, Download
	o.Warmup = max(o.Warmup, growTrips*line.RTT)
	res := &LineResult{}
	progress("ping", 0, 0)
	if res.RTT, err = measureRTT(ctx, o); err != nil {
		return nil, err
	}
	fixed := o
	fixed.Client.Window, fixed.Client.MaxWindow = window, window
	one, err := downloads(ctx, fixed, 1, progress.during("1 channel, fixed window"))
	if err != nil {
		return nil, err
	}
	res.Fixed = one[0]
	if one, err = downloads(ctx, o, 1, progress.during("1 channel")); err != nil {
		return nil, err
	}
	res.One = one[0]
	all, err := downloads(ctx, o, o.Channels, progress.during("%d channels", o.Channels))
	if err != nil {
		return nil, err
	}
	res.Low, res.High = slices.Min(all), slices.Max(all)
	for _, rate := range all {
		res.All += rate
	}
	return res, nil
}

// downloads returns what each of some channels of a connection got, in bytes a second.
func downloads(ctx context.Context, o Options, channels int, progress Progress) ([]float64, error) {
	o.Channels = channels
	r := newRun(o)
	w := &fair{base: base{r}, equal: true, got: make([]atomic.Int64, channels)}
	o.Client.Handler = w
	var err error
	if r.engine, err = engine.Start(o.Client); err != nil {
		return nil, err
	}
	defer r.engine.Close()
	defer r.stopped.Store(true)
	if err := r.connect(ctx, w, progress); err != nil {
		return nil, err
	}
	if err := r.pass(ctx, "warming up", o.Warmup, progress); err != nil {
		return nil, err
	}
	began, before := time.Now(), w.now()
	if err := r.pass(ctx, "measuring", o.Duration, progress); err != nil {
		return nil, err
	}
	var got []float64
	took := time.Since(began).Seconds()
	for i, n := range w.now() {
		got = append(got, float64(n-before[i])/took)
	}
	return got, nil
}

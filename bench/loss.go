package bench

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// LossConfig is a line of packets and what to measure on it; it goes to the process that has the line as JSON.
type LossConfig struct {
	Line     Line
	Loss     float64 // part of the packets, each by itself
	MTU      int
	Channels int
	Frame    int
	Duration time.Duration // of each measurement
}

// LossResult is what was measured on a line that loses packets.
type LossResult struct {
	RTT   time.Duration `json:"rtt_ns"` // the median of PINGs on an idle connection
	Rates []LossRate    `json:"rates"`

	// Short messages, so few that each is a packet of its own and the connection is never full: how many were under way
	// in each direction, and what part was late by LateBy or more.
	Messages float64       `json:"messages_in_flight"`
	LateBy   time.Duration `json:"late_by_ns"`
	Late     float64       `json:"late"`

	Packets int64 `json:"packets"`
	Lost    int64 `json:"lost"`
	Dropped int64 `json:"dropped"` // because they had to wait too long for their turn
}

// LossRate is what downloads on all channels of a connection got together.
type LossRate struct {
	Control string  `json:"congestion_control"`
	Rate    float64 `json:"bytes_per_second"`
}

// messagesUnderWay is how many short messages are in each direction: fewer than a connection may have under way
// after a loss or two.
const messagesUnderWay = 5

// A message is late by a tenth of the RTT, and by no less than what timers and processors may make of it. Those that
// wait for another one's packet are late by anything up to the RTT, and more if TCP takes longer to see the loss.
const (
	lateness  = 0.1
	leastLate = 3 * time.Millisecond
)

// MeasureLoss measures one connection on a line that loses packets: a TUN device in a network namespace that a process
// of its own has, so that nothing else of this system sees it. It needs Linux, and root or user namespaces.
func MeasureLoss(ctx context.Context, cfg LossConfig, p Program, progress Progress) (*LossResult, error) {
	child, err := p.startApart(ctx, lossProcess, cfg)
	if err != nil {
		return nil, err
	}
	answered := make(chan error, 1)
	res := new(lossAnswer)
	began := time.Now()
	go func() { answered <- child.ask(askLoss, res) }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-answered:
			if err = errors.Join(err, child.Stop()); err == nil && res.Err != "" {
				err = errors.New(res.Err)
			}
			return &res.LossResult, err
		case <-tick.C:
			progress("a line with loss", min(1, time.Since(began).Seconds()/(4*cfg.Duration.Seconds())), 0)
		}
	}
}

// askLoss asks the other process to measure: it has only that to do.
const askLoss = "measure"

// lossMain is the other end of MeasureLoss.
func lossMain(in io.Reader, out io.Writer) error {
	var cfg LossConfig
	lines, err := readConfig(in, &cfg)
	if err != nil {
		return err
	}
	return answer(lines, out, func(string) (any, error) {
		a := lossAnswer{}
		line, err := startPackets(cfg)
		if err == nil {
			err = cfg.measure(line, &a.LossResult)
		}
		if err != nil {
			a.Err = err.Error()
		}
		return a, nil
	})
}

// lossAnswer is what the process with the line answers.
type lossAnswer struct {
	LossResult
	Err string
}

// measure measures all there is to measure.
func (cfg LossConfig) measure(line *packets, res *LossResult) error {
	ctx := context.Background()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	s, err := Program(exe).StartServer(ctx, ServerConfig{
		Addrs: []string{line.listen}, FrameSize: cfg.Frame, MaxChannels: max(65536, cfg.Channels),
		ConnMemory: 1 << 30, Memory: 2 << 30,
	})
	if err != nil {
		return err
	}
	defer s.Stop()
	o := Defaults(Echo)
	if o.Addr, err = line.serve(s.Addr); err != nil {
		return err
	}
	if res.RTT, err = measureRTT(ctx, o); err != nil {
		return err
	}
	o.Duration, o.Warmup = cfg.Duration, max(cfg.Duration/2, growTrips*cfg.Line.RTT)
	for _, control := range line.controls() {
		if err := line.control(control); err != nil {
			return err
		}
		got, err := downloads(ctx, o, cfg.Channels, nil)
		if err != nil {
			return err
		}
		rate := LossRate{Control: control}
		for _, one := range got {
			rate.Rate += one
		}
		res.Rates = append(res.Rates, rate)
	}
	err = cfg.late(ctx, o, res)
	res.Packets, res.Lost, res.Dropped = line.packets.Load(), line.lost.Load(), line.dropped.Load()
	return err
}

// late measures what part of short messages is late.
func (cfg LossConfig) late(ctx context.Context, o Options, res *LossResult) error {
	o.Rate = max(1, int(messagesUnderWay/res.RTT.Seconds()))
	o.Channels = min(cfg.Channels, 100)
	r := newRun(o)
	w := newEcho(r)
	o.Client.Handler = w
	var err error
	if r.engine, err = engine.Start(o.Client); err != nil {
		return err
	}
	defer r.engine.Close()
	defer r.stopped.Store(true)
	if err := r.connect(ctx, w, nil); err != nil {
		return err
	}
	defer w.stop()
	if err := r.pass(ctx, "", o.Warmup, nil); err != nil {
		return err
	}
	r.latency.Reset()
	if err := r.pass(ctx, "", 2*o.Duration, nil); err != nil {
		return err
	}
	res.Messages = float64(o.Rate) * res.RTT.Seconds()
	res.LateBy = max(time.Duration(lateness*float64(res.RTT)), leastLate)
	res.Late = r.latency.Above(res.RTT + res.LateBy)
	return nil
}

// controlsOf lists the congestion controls to measure with: Reno, which a formula is for and which no namespace is
// refused, and the system's own.
func controlsOf(own string) []string { return slices.Compact([]string{"reno", own}) }

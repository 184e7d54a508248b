package bench

import (
	"context"
	"io"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// victimConfig is what a well-behaved connection does; it goes to its process as JSON.
type victimConfig struct {
	Addr             string
	Duration, Warmup time.Duration
	Backend          engine.Backend
	Socket           engine.SocketConfig
}

// victimReport is what it saw; what the server spent it does not know.
type victimReport struct {
	Victim
	Rate float64 // messages a second
}

// suffer has the echo of a well-behaved connection measured, one message at a time, by a process that comes before
// all others.
func (p Program) suffer(ctx context.Context, cfg victimConfig, progress Progress) (victimReport, error) {
	v, err := p.start(ctx, victimProcess, cfg, startFirst)
	if err != nil {
		return victimReport{}, err
	}
	defer v.Stop()
	var saw victimReport
	answered := make(chan error, 1)
	go func() { answered <- v.ask(askUsage, &saw) }()
	if err := newRun(Options{}).pass(ctx, string(Echo), cfg.Warmup+cfg.Duration, progress); err != nil {
		return victimReport{}, err
	}
	err = <-answered
	return saw, err
}

// victimMain is the other end of suffer.
func victimMain(in io.Reader, out io.Writer) error {
	var cfg victimConfig
	lines, err := readConfig(in, &cfg)
	if err != nil {
		return err
	}
	o := Defaults(Echo)
	o.Addr, o.Channels, o.Depth, o.Size, o.Duration, o.Warmup = cfg.Addr, 1, 1, legalBytes, cfg.Duration, cfg.Warmup
	o.Client.Backend, o.Client.Socket = cfg.Backend, cfg.Socket
	return answer(lines, out, func(string) (any, error) {
		rep := victimReport{Victim: Victim{First: isFirst()}}
		res, err := Run(context.Background(), o, nil, nil)
		if err != nil {
			rep.Lost = err.Error()
		} else {
			rep.Latency, rep.Rate = res.Latency, res.MessagesPerSecond
		}
		return rep, nil
	})
}

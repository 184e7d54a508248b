package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ScaleResult is what scale found.
type ScaleResult struct {
	Rows  []Row    `json:"-"`
	Notes []string `json:"notes"` // where a kind ended, and why
}

// MeasureScale makes the steps of each kind, the smallest first. One that fails ends its kind, not the others, and
// is told in a note; so is one that reaches the bound for memory.
func MeasureScale(ctx context.Context, o ScaleOptions, p Program, progress Progress) (*ScaleResult, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	res := new(ScaleResult)
	for _, kind := range o.Kinds {
		steps := o.steps(kind)
		for i, s := range steps {
			row := s.row(&o)
			name := strings.TrimSpace(fmt.Sprintf("%s %s", row.Shape(), row.Variant))
			progress(kind+" "+name, float64(i)/float64(len(steps)), 0)
			rounds, err := s.rounds(ctx, &o, p)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if row.Rounds = rounds; len(rounds) > 0 {
				res.Rows = append(res.Rows, row)
			}
			if err != nil {
				res.Notes = append(res.Notes, fmt.Sprintf("%s ends at %s: %v", kind, name, err))
				break
			}
		}
	}
	return res, nil
}

// rounds makes the rounds of a step.
func (s scaleStep) rounds(ctx context.Context, o *ScaleOptions, p Program) (all []Figures, err error) {
	if s.kind == ScaleChurn {
		return s.churn(ctx, o, p)
	}
	for range o.Rounds {
		f, err := s.round(ctx, o, p)
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
	return all, nil
}

// round opens everything, reads what that costs idle, and has some messages roam through it.
func (s scaleStep) round(ctx context.Context, o *ScaleOptions, p Program) (f Figures, err error) {
	x, err := startScale(ctx, o, s, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.stop()) }()
	opening, err := x.open(ctx, p)
	if err != nil {
		return nil, err
	}
	idle, err := x.settle(ctx)
	if err != nil {
		return nil, err
	}
	collected, err := x.ask((*Server).Collected)
	if err != nil {
		return nil, err
	}
	n := float64(s.conns) * float64(s.channels)
	grown := float64(idle.RSS - x.before)
	f = Figures{
		BytesPerConn: grown / float64(s.conns), BytesPerChannel: grown / n,
		ChannelsOpened: n / opening.Seconds(), ServerRSS: float64(idle.RSS) / 1e6,
		GCPerCollection: (collected.Go.GCCPU - idle.Go.GCCPU).Seconds() / float64(s.processes),
		GCPause:         ms(collected.Go.Pause),
	}
	return f, x.echo(ctx, f)
}

// echo has messages roam, and fills in what they cost.
func (x *scaleRun) echo(ctx context.Context, f Figures) error {
	if _, err := x.clientsSay(askBegin); err != nil {
		return err
	}
	if err := sleep(ctx, x.o.Warmup); err != nil {
		return err
	}
	begin, err := x.usage()
	if err != nil {
		return err
	}
	first, err := x.clientsSay(askReset)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := sleep(ctx, x.o.Duration); err != nil {
		return err
	}
	last, err := x.clientsSay(askUsage)
	if err != nil {
		return err
	}
	took := time.Since(began)
	end, err := x.usage()
	if err != nil {
		return err
	}
	n := float64(last.Messages - first.Messages)
	if n == 0 {
		return fmt.Errorf("no message came back in %v", x.o.Duration)
	}
	f[MessagesPerSecond] = n / took.Seconds()
	f[ServerPerMillion] = (end.CPU - begin.CPU).Seconds() / n * 1e6
	f[ClientPerMillion] = (last.Usage.CPU - first.Usage.CPU).Seconds() / n * 1e6
	f[AllocsPerMsg] = float64(end.Mallocs-begin.Mallocs) / n
	f[GCCPUPercent] = 100 * (end.Go.GCCPU - begin.Go.GCCPU).Seconds() / (end.CPU - begin.CPU).Seconds()
	if reads := end.Stats.Reads - begin.Stats.Reads; reads > 0 {
		f[FramesPerRead] = float64(end.Stats.FramesIn-begin.Stats.FramesIn) / float64(reads)
	}
	if l := last.Latency; l != nil {
		f[P50], f[P99] = ms(l.P50), ms(l.P99)
	}
	return nil
}

// churn has all come and go, some times, and reads what stays allocated each time.
func (s scaleStep) churn(ctx context.Context, o *ScaleOptions, p Program) (all []Figures, err error) {
	x, err := startScale(ctx, o, s, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.stop()) }()
	before, err := x.ask((*Server).Collected)
	for range max(o.Rounds, churnRounds) {
		if err != nil {
			return all, err
		}
		open, err := x.once(ctx, p)
		if err != nil {
			return all, err
		}
		if err := x.alone(ctx); err != nil {
			return all, err
		}
		after, err := x.ask((*Server).Collected)
		if err != nil {
			return all, err
		}
		all = append(all, Figures{
			HeapBefore: float64(before.Go.Heap) / 1e6, HeapOpen: float64(open.Go.Heap) / 1e6,
			HeapAfter: float64(after.Go.Heap) / 1e6, ServerRSS: float64(after.RSS) / 1e6,
		})
		before = after
	}
	return all, nil
}

// once has all come and go, or opens channels and closes them for a while, and returns the servers' usage meanwhile.
func (x *scaleRun) once(ctx context.Context, p Program) (open Usage, err error) {
	if x.step.opens {
		o := Defaults(Open)
		o.Addr, o.Depth, o.Duration, o.Warmup = x.servers[0].Addr, x.step.channels, x.o.Duration, 0
		if _, err = Run(ctx, o, nil, nil); err != nil {
			return open, err
		}
		return x.usage()
	}
	if _, err = x.open(ctx, p); err != nil {
		return open, err
	}
	if open, err = x.settle(ctx); err != nil {
		return open, err
	}
	return open, x.leave()
}

// churnRounds is how often all come and go at least: what grows each time shows.
const churnRounds = 3

// alone waits until the servers have no connections.
func (x *scaleRun) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, scalePatience)
	defer cancel()
	for {
		u, err := x.usage()
		if err != nil || u.Stats.Conns == 0 {
			return err
		}
		if err := sleep(ctx, scalePoll); err != nil {
			return fmt.Errorf("%d connections have not ended: %w", u.Stats.Conns, err)
		}
	}
}

package main

import (
	"context"
	"io"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/limits"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// limitsUsage is what it says about itself.
const limitsUsage = `sscd-bench limits [flags]
computes what a line lets one connection do at most; --check measures it too`

// limit is sscd-bench limits.
func limit(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(limitsUsage)
	var l limits.Line
	bandwidth, loss := rate(1e9/8), percent(0)
	f.Var(&bandwidth, "bandwidth", "`rate` of the line, packets' headers included: B")
	f.DurationVar(&l.RTT, "latency", 60*time.Millisecond, "round trip time: RTT")
	f.Var(&loss, "loss", "`part` of the packets that are lost, each by itself: p")
	f.IntVar(&l.MTU, "mtu", 1500, "`bytes` of a packet: MTU; MSS is 52 less")
	f.IntVar(&l.Frame, "frame", 16384, "`bytes` of payload of a frame: F")
	f.IntVar(&l.Channels, "channels", 1000, "channels that all have something to send")
	f.IntVar(&l.Window, "window", 65536, "`bytes` of the window of a channel that does not grow: W")
	f.Int64Var(&l.Memory, "memory", 1<<30, "`bytes` for the windows of all channels: M")
	check := f.Bool("check", false, "measure as well, through a relay that delays and limits, and print both;\n"+
		"with a loss also on a TUN device, which needs root or user namespaces")
	duration := f.Duration("duration", 2*time.Second, "of each of the downloads that --check makes")
	jsonFile := f.String("json", "", "`file` for the result as well; - means standard output, and no table")
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return flags.Usage("limits takes no arguments, not %q", rest[0])
	}
	if *duration <= 0 {
		return flags.Usage("duration is %v, not more than 0", *duration)
	}
	l.Rate, l.Loss = float64(bandwidth), float64(loss)
	if err := l.Check(); err != nil {
		return flags.UsageError{Err: err}
	}
	theory := limits.Of(l)
	if !*check {
		return write(theory, theory, *jsonFile, stdout)
	}
	measure := func(p bench.Program, progress bench.Progress) (*limits.Checked, error) {
		return checkLimits(ctx, theory, *duration, p, progress)
	}
	checked, err := measured(stderr, *jsonFile, measure)
	if err != nil {
		return err
	}
	return write(checked, checked, *jsonFile, stdout)
}

// checkLimits measures what can be of the limits.
func checkLimits(
	ctx context.Context, theory *limits.Limits, d time.Duration, p bench.Program, progress bench.Progress,
) (*limits.Checked, error) {
	l := &theory.Line
	line := bench.Line{RTT: l.RTT, Rate: l.Rate}
	o := bench.Defaults(bench.Download)
	o.Channels, o.Duration, o.Warmup = l.Channels, d, d/4
	m, err := bench.MeasureLine(ctx, o, line, l.Window, bench.ServerConfig{FrameSize: l.Frame}, p, progress)
	if err != nil {
		return nil, err
	}
	checked := limits.Compare(theory, m)
	if l.Loss > 0 {
		checked.AddLoss(bench.MeasureLoss(ctx, bench.LossConfig{
			Line: line, Loss: l.Loss, MTU: l.MTU, Channels: l.Channels, Frame: l.Frame, Duration: d,
		}, p, progress))
	}
	return checked, ctx.Err()
}

package main

import (
	"context"
	"io"
	"strings"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// scaleUsage is what it says about itself.
const scaleUsage = `sscd-bench scale [flags]
measures memory and echo while channels and connections grow by steps of ten`

// scale is sscd-bench scale.
func scale(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(scaleUsage)
	o := bench.ScaleDefaults()
	kinds := f.String("kinds", strings.Join(o.Kinds, ","), "`names` of what to scale, by comma")
	f.IntVar(&o.Channels, "channels", o.Channels, "kinds channels, streams (a million): up to how many, in one process")
	f.IntVar(&o.Conns, "conns", o.Conns, "kind conns: up to how many; beyond 15,000 there are several processes")
	f.Int64Var(&o.Memory, "memory", o.Memory, "resident `bytes` of all processes together at which a kind ends")
	f.IntVar(&o.Size, "size", o.Size, "`bytes` of a message")
	f.IntVar(&o.Under, "under", o.Under, "messages under way, in all")
	f.DurationVar(&o.Duration, "duration", o.Duration, "of the echo at each step")
	f.DurationVar(&o.Warmup, "warmup", o.Warmup, "before it")
	f.IntVar(&o.Rounds, "rounds", o.Rounds, "of each step; of kind churn 3 at least")
	jsonFile := f.String("json", "", "`file` for the results as well; - means standard output, and no table")
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return flags.Usage("scale takes no arguments, not %q", rest[0])
	}
	o.Kinds = strings.Split(*kinds, ",")
	if err := o.Check(); err != nil {
		return flags.UsageError{Err: err}
	}
	results := bench.NewResults(append([]string{"sscd-bench", "scale"}, args...))
	res, err := measured(stderr, *jsonFile, func(p bench.Program, progress bench.Progress) (*bench.ScaleResult, error) {
		return bench.MeasureScale(ctx, o, p, progress)
	})
	if err != nil {
		return err
	}
	results.Join(res.Measured("")...)
	results.Detail = res
	return write(results, res, *jsonFile, stdout)
}

package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/tune"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// tuneUsage is what it says about itself.
const tuneUsage = `sscd-bench tune [flags]
searches for flags of the server that beat its defaults on this system`

// tuneServer is sscd-bench tune.
func tuneServer(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(tuneUsage)
	o := tune.Options{Bench: bench.Defaults(bench.Echo), Goal: tune.Rate}
	f.StringVar((*string)(&o.Bench.Mode), "mode", string(o.Bench.Mode), "echo, upload, download or open")
	f.IntVar(&o.Bench.Conns, "conns", o.Bench.Conns, "connections")
	f.IntVar(&o.Bench.Channels, "channels", o.Bench.Channels, "channels on each connection")
	f.IntVar(&o.Bench.Size, "size", o.Bench.Size, "`bytes` of a message")
	f.IntVar(&o.Bench.Depth, "depth", o.Bench.Depth,
		"messages under way on a channel; mode open: opens on a connection")
	f.StringVar((*string)(&o.Goal), "goal", string(o.Goal),
		"what is to get better: rate, cpu (of the server, for a message or byte), both (the client's\n"+
			"too) or p99 (latency)")
	f.DurationVar(&o.Budget, "budget", time.Minute, "time for all")
	only := f.String("only", "", "`flags` to try, by comma, of "+strings.Join(tune.Knobs(), ", ")+"; empty means all")
	jsonFile := f.String("json", "", "`file` for the result as well; - means standard output, and no table")
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return flags.Usage("tune takes no arguments, not %q", rest[0])
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	o.Bench.Client.Backend = bench.ClientBackend(o.Bench.Conns)
	o.Server.MaxChannels = max(bench.MinMaxChannels, o.Bench.Channels)
	if err := o.Check(); err != nil {
		return flags.UsageError{Err: err}
	}
	res, err := measured(stderr, *jsonFile, func(p bench.Program, progress bench.Progress) (*tune.Report, error) {
		return tune.Tune(ctx, o, p, progress)
	})
	if err != nil {
		return err
	}
	return write(res, res, *jsonFile, stdout)
}

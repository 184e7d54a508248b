package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
)

// options are what the command line says.
type options struct {
	bench.Options
	server bench.ServerConfig // if it is our own
	json   string             // file for the result
}

// parse reads the command line.
func parse(args []string, stdout io.Writer) (*options, error) {
	o := &options{Options: bench.Defaults(bench.Echo)}
	f := flags.New(usage)
	f.StringVar(&o.Addr, "addr", "", "`address` of the server; empty means one of our own")
	f.StringVar((*string)(&o.Mode), "mode", string(o.Mode),
		"echo, upload, download, open or idle; or a comparison: rtt, flood, stall, urgent, fair, file\n"+
			"or fanout")
	f.IntVar(&o.Conns, "conns", o.Conns,
		"connections; mode flood: those that misbehave; modes flood and fanout: 100 unless given")
	f.IntVar(&o.Channels, "channels", o.Channels,
		"channels on each connection; mode flood: as many as a connection may have open; mode urgent: downloads,\n"+
			"16 unless given; modes file, fanout: 4 and 1,000 unless given")
	f.IntVar(&o.Size, "size", o.Size, "`bytes` of a message; mode rtt: 16,384 unless given")
	f.IntVar(&o.Depth, "depth", o.Depth, "messages under way on a channel; mode open: opens on a connection")
	f.DurationVar(&o.Duration, "duration", o.Duration,
		"of what is measured; of each part in modes rtt and flood, 5s unless given, and in the other\n"+
			"comparisons, 2s")
	f.DurationVar(&o.Warmup, "warmup", o.Warmup, "before it")
	f.IntVar(&o.Rate, "rate", 0, "mode echo: messages a second in all, sent when due; 0 means when answers come.\n"+
		"Mode flood: frames a second in all; 0 means as fast as they go")
	rtts := f.String("rtts", "100us,1ms,10ms,60ms,200ms", "mode rtt: round trip `times`, by comma")
	floods := f.String("floods", "", "mode flood: `names` of floods, by comma; empty means all")
	f.Int64Var(&o.FileBytes, "file-bytes", 0, "mode file: how long the file is, in `bytes`; 268,435,456 unless given")
	f.IntVar(&o.Rounds, "rounds", 0, "of what modes stall, urgent, file, fanout and flood compare, in turn;\n"+
		"5 unless given, of floods 1")
	f.StringVar(&o.json, "json", "",
		"`file` for the result and the machine's facts as well, for the commands report and compare;\n"+
			"- means standard output, and no table")
	client := f.String("client-backend", "",
		"how this side serves: net, epoll or io_uring; empty means by the connections")
	f.StringVar((*string)(&o.server.Backend), "backend", "",
		"how our own server serves: epoll, io_uring or net; empty means epoll, in mode stall each in turn")
	f.IntVar(&o.server.Loops, "loops", 0, "event loops of our own server; 0 means one for each processor")
	f.StringVar(&o.server.CPUProfile, "cpuprofile", "",
		"`file` for a CPU profile of our own server; modes that start several keep the last one's,\n"+
			"mode file that of the last one that sent by sendfile from memory")
	var server engine.Config
	flags.Limits(f, &server)          // of our own server; compression and the window are for both sides
	flags.Socket(f, &o.server.Socket) // of both sides
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, flags.Usage("%q is none of the commands, which come first: %s", rest[0], commandNames())
	}
	given := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.byMode(given)
	if err := o.lists(*rtts, *floods); err != nil {
		return nil, flags.UsageError{Err: err}
	}
	o.server.Limit(&server)
	o.Client.Socket, o.Client.Compression = o.server.Socket, server.Compression
	o.Client.ConnWindow = server.ConnWindow
	o.Client.Backend = engine.Backend(*client)
	if *client == "" && o.Mode != bench.Flood {
		o.Client.Backend = bench.ClientBackend(o.Conns)
	}
	if err := o.Check(); err != nil {
		return nil, flags.UsageError{Err: err}
	}
	if err := o.server.Check(); err != nil {
		return nil, flags.UsageError{Err: err}
	}
	return o, nil
}

// byMode fills in what was not given and depends on the mode.
func (o *options) byMode(given map[string]bool) {
	d := bench.Defaults(o.Mode)
	for name, fill := range map[string]func(){
		"conns":      func() { o.Conns = d.Conns },
		"channels":   func() { o.Channels = d.Channels },
		"size":       func() { o.Size = d.Size },
		"duration":   func() { o.Duration = d.Duration },
		"rounds":     func() { o.Rounds = d.Rounds },
		"file-bytes": func() { o.FileBytes = d.FileBytes },
		"backend": func() {
			if o.Mode != bench.Stall {
				o.server.Backend = engine.Epoll
			}
		},
	} {
		if !given[name] {
			fill()
		}
	}
	o.server.MaxChannels = max(bench.MinMaxChannels, o.Channels)
	if o.Mode == bench.Flood {
		o.server.MaxChannels = o.Channels
	}
}

// lists reads the flags that are lists.
func (o *options) lists(rtts, floods string) error {
	if o.Mode == bench.RTT {
		for s := range strings.SplitSeq(rtts, ",") {
			d, err := time.ParseDuration(strings.TrimSpace(s))
			if err != nil {
				return fmt.Errorf("rtts: %w", err)
			}
			o.RTTs = append(o.RTTs, d)
		}
	}
	if floods != "" {
		o.Floods = strings.Split(floods, ",")
	}
	return nil
}

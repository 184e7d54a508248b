package main

import (
	"flag"
	"io"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
)

// epollFrom is how many connections this side rather serves with epoll, unless told otherwise.
const epollFrom = 64

// options are what the command line says.
type options struct {
	bench.Options
	server bench.ServerConfig // if it is our own
	json   string             // file for the result
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{Options: bench.Defaults()}
	f := flag.NewFlagSet("sscd-bench", flag.ContinueOnError)
	f.StringVar(&o.Addr, "addr", "", "`address` of the server; empty means one of our own")
	f.StringVar((*string)(&o.Mode), "mode", string(o.Mode), "echo, upload, download, open or idle")
	f.IntVar(&o.Conns, "conns", o.Conns, "connections")
	f.IntVar(&o.Channels, "channels", o.Channels, "channels on each connection")
	f.IntVar(&o.Size, "size", o.Size, "`bytes` of a message")
	f.IntVar(&o.Depth, "depth", o.Depth, "messages under way on a channel; mode open: opens on a connection")
	f.DurationVar(&o.Duration, "duration", o.Duration, "of what is measured")
	f.DurationVar(&o.Warmup, "warmup", o.Warmup, "before it")
	f.IntVar(&o.Rate, "rate", 0, "mode echo: messages a second in all, sent when due; 0 means when answers come")
	f.StringVar(&o.json, "json", "", "`file` for the result as well; - means standard output, and no table")
	client := f.String("client-backend", "", "how this side serves: net or epoll; empty means by the connections")
	f.StringVar((*string)(&o.server.Backend), "backend", "epoll", "how our own server serves: epoll or net")
	f.IntVar(&o.server.Loops, "loops", 0, "event loops of our own server; 0 means one for each processor")
	flags.Socket(f, &o.server.Socket) // of both sides
	rest, err := flags.Parse(f, args, stderr)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, flags.Usage("no arguments are taken, not %q", rest[0])
	}
	o.server.MaxChannels = max(65536, o.Channels)
	o.Client.Socket = o.server.Socket
	o.Client.Backend = engine.Backend(*client)
	if *client == "" && o.Conns > epollFrom {
		o.Client.Backend = engine.Epoll
	}
	if err := o.Check(); err != nil {
		return nil, flags.UsageError{Err: err}
	}
	return o, nil
}

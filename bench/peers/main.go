package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// The arguments with which this program is the server of a transport, and makes one round.
const (
	peerProcess  = "peer-process"
	roundProcess = "round-process"
)

func main() {
	if process := process(os.Args[1:]); process != nil {
		signal.Ignore(os.Interrupt) // the end of input follows
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "peers:", os.Args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := measureAll(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// process returns what a program with these arguments is to do instead of measuring, or nil.
func process(args []string) func(in io.Reader, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == peerProcess:
		return servePeer
	case len(args) == 1 && args[0] == roundProcess:
		return makeRound
	}
	return bench.Process(args)
}

// servePeer is the server of the transport whose name it is told.
func servePeer(in io.Reader, out io.Writer) error {
	var cfg config
	return bench.Serve(in, out, &cfg, func() (string, func() engine.Stats, error) {
		t, err := transportNamed(cfg.Name)
		if err != nil {
			return "", nil, err
		}
		h := &host{cfg: cfg.Settings}
		addr, err := t.serve(cfg.Settings, h)
		return addr, func() engine.Stats { return engine.Stats{ChannelsAccepted: h.opened.Load()} }, err
	})
}

// measureAll does what the command line says.
func measureAll(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sscd-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.settings.File = filepath.Join(dir, "file")
	if slices.ContainsFunc(o.variants, func(v variant) bool { return v.mode == bench.File }) {
		if err := bench.MakeFile(o.settings.File, o.FileBytes); err != nil {
			return err
		}
	}
	results := bench.NewResults(append([]string{"peers"}, args...))
	detail := detail{Settings: o.settings, Missing: make(map[string]string)}
	detail.Settings.File = "" // it is gone when anybody reads that
	for _, v := range o.variants {
		rows, err := measure(ctx, o, v, exe, func(what string) { fmt.Fprintln(stderr, what) })
		if err != nil {
			return err
		}
		if err := write(stdout, o, v, rows); err != nil {
			return err
		}
		for _, r := range rows {
			if len(r.Rounds) > 0 {
				results.Join(r.Row)
			}
		}
		maps.Copy(detail.Missing, missing(rows))
		if results.Detail = detail; o.json != "" { // after each, so that one that ends early leaves something
			if err := results.WriteFile(o.json); err != nil {
				return err
			}
		}
	}
	return nil
}

// detail is what results tell besides rows.
type detail struct {
	Settings settings          `json:"settings"`
	Missing  map[string]string `json:"missing"` // rows that are not there, or not whole: why
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{Options: bench.Defaults(bench.Echo)}
	o.FileBytes, o.Settle = bench.Defaults(bench.File).FileBytes, 2*time.Second
	var v variant // whose numbers take the place of the works' own
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(stderr)
	work := f.String("work", "urgent", "`names` of works, by comma: "+strings.Join(allWorks, ", ")+"; or all")
	which := f.String("peers", "", "`names` of peers, by comma; empty means all")
	f.IntVar(&v.conns, "conns", 0, "connections; 0 means as the work has it, for the next two as well")
	f.IntVar(&v.channels, "channels", 0, "streams on each; work urgent: downloads")
	f.IntVar(&v.depth, "depth", 0, "messages under way on a stream; work open: opens on a connection")
	f.BoolVar(&v.coalesce, "coalesce", false, "work echo: only with the application gathering messages for a write")
	f.IntVar(&o.Size, "size", 64, "`bytes` of a message")
	f.DurationVar(&o.Duration, "duration", 2*time.Second, "of what is measured in a round")
	f.DurationVar(&o.Warmup, "warmup", 500*time.Millisecond, "before it")
	f.DurationVar(&o.Settle, "settle", o.Settle, "works idle and conns: before memory is read")
	f.DurationVar(&o.patience, "patience", time.Minute, "how long a round may take besides")
	f.IntVar(&o.rounds, "rounds", 5, "of each peer, in turn")
	f.IntVar(&o.window, "window", 0,
		"`bytes` of a stream's window, where that is fixed; 0 means 256 KiB, for bulk and files 1 MiB")
	f.IntVar(&o.settings.SendBuffer, "sndbuf", 0,
		"SO_SNDBUF of servers in `bytes`, but of quic; 0 means the system's default")
	f.StringVar(&o.settings.Backend, "backend", "",
		"of sscd's servers: epoll, io_uring or net; empty means the usual one")
	f.Int64Var(&o.FileBytes, "file-bytes", o.FileBytes, "work file: how long the file is")
	f.StringVar(&o.json, "json", "", "`file` for all rounds as well")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 || o.rounds < 1 || v.conns < 0 || v.channels < 0 || v.depth < 0 || o.patience <= 0 {
		return nil, fmt.Errorf("no rounds, or less than nothing, or arguments %q, of which there are none", f.Args())
	}
	if o.window != 0 && (o.window < minWindow || o.window > maxWindow) {
		return nil, fmt.Errorf("window is %d, not %d to %d", o.window, minWindow, maxWindow)
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	var err error
	if o.variants, err = variantsOf(*work, v.into); err != nil {
		return nil, err
	}
	if v.coalesce {
		o.variants = slices.DeleteFunc(o.variants, func(v variant) bool { return !v.coalesce })
	}
	var names []string
	if *which != "" {
		names = strings.Split(*which, ",")
	}
	o.peers, err = choose(names)
	return o, err
}

// into gives another variant the numbers that are there.
func (v variant) into(to *variant) {
	to.conns = cmp.Or(v.conns, to.conns)
	to.channels = cmp.Or(v.channels, to.channels)
	to.depth = cmp.Or(v.depth, to.depth)
}

// choose returns the peers of these names; of none, all.
func choose(names []string) ([]named, error) {
	all := peers()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []named
	for _, name := range names {
		i := slices.IndexFunc(all, func(n named) bool { return n.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no peer %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

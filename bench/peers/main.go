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
	o, err := parse(args, stdout)
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
func parse(args []string, stdout io.Writer) (*options, error) {
	o := &options{Options: bench.Defaults(bench.Echo)}
	o.FileBytes, o.Settle = bench.Defaults(bench.File).FileBytes, 2*time.Second
	var v variant // whose numbers take the place of the works' own
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(io.Discard) // it would print all flags behind each error
	work := f.String("work", "urgent", "`names` of works, by comma: "+strings.Join(allWorks, ", ")+"; or all")
	which := f.String("peers", "", "`names` of peers, by comma: "+peerNames()+"; empty means all")
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
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, "usage: peers [flags]\n"+
			"measures the same works with sscd and with others, each in processes of its own\n\n")
		f.SetOutput(stdout)
		f.PrintDefaults()
	}
	if err != nil {
		return nil, err
	}
	if err := o.check(v, f.Args()); err != nil {
		return nil, err
	}
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

// check returns what is wrong with the numbers of a command line, of which v has some, and with its arguments.
func (o *options) check(v variant, args []string) error {
	server := bench.ServerConfig{
		Backend: engine.Backend(o.settings.Backend), Socket: engine.SocketConfig{WriteBuffer: o.settings.SendBuffer},
	}
	switch {
	case len(args) > 0:
		return fmt.Errorf("there are no arguments to take, and not %q", args[0])
	case o.rounds < 1:
		return fmt.Errorf("rounds is %d, not 1 or more", o.rounds)
	case o.patience <= 0:
		return fmt.Errorf("patience is %v, not more than 0", o.patience)
	case o.Settle < 0:
		return fmt.Errorf("settle is %v, less than 0", o.Settle)
	case o.window != 0 && (o.window < minWindow || o.window > maxWindow):
		return fmt.Errorf("window is %d, not %d to %d", o.window, minWindow, maxWindow)
	}
	whole := o.Options // with what the works have for the numbers that are not there
	whole.Conns, whole.Channels = cmp.Or(v.conns, whole.Conns), cmp.Or(v.channels, whole.Channels)
	whole.Depth = cmp.Or(v.depth, whole.Depth)
	for _, err := range []error{whole.Check(), bench.CheckFileBytes(o.FileBytes), server.Check()} {
		if err != nil {
			return err
		}
	}
	return bench.Writable(o.json)
}

// into gives another variant the numbers that are there.
func (v variant) into(to *variant) {
	to.conns = cmp.Or(v.conns, to.conns)
	to.channels = cmp.Or(v.channels, to.channels)
	to.depth = cmp.Or(v.depth, to.depth)
}

// peerNames are the names of all peers.
func peerNames() string {
	var names []string
	for _, p := range peers() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
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
			return nil, fmt.Errorf("no peer %q; there are %s", name, peerNames())
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

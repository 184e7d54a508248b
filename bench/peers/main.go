package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// peerProcess is the argument with which this program is the server of a transport.
const peerProcess = "peer-process"

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
	if len(args) == 1 && args[0] == peerProcess {
		return servePeer
	}
	return bench.Process(args)
}

// servePeer is the server of the transport whose name it is told.
func servePeer(in io.Reader, out io.Writer) error {
	var cfg config
	return bench.Serve(in, out, &cfg, func() (string, func() engine.Stats, error) {
		for _, t := range transports() {
			if t.name == cfg.Name {
				addr, err := t.serve(cfg.Settings)
				return addr, nil, err
			}
		}
		return "", nil, fmt.Errorf("no peer %q", cfg.Name)
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
	o.program = bench.Program(exe)
	rows, err := measure(ctx, o, func(what string) { fmt.Fprintln(stderr, what) })
	if err != nil {
		return err
	}
	if o.json != "" {
		f, err := os.Create(o.json)
		if err != nil {
			return err
		}
		if err := errors.Join(writeJSON(f, o, rows), f.Close()); err != nil {
			return err
		}
	}
	return write(stdout, o, rows)
}

// Windows of streams, in bytes: yamux takes no smaller one, HTTP/2 no larger one.
const (
	minWindow = 256 << 10
	maxWindow = 4<<20 - 1
)

// works are the names of what can be measured.
func works() map[string]bench.Mode {
	return map[string]bench.Mode{"urgent": bench.Urgent, "echo": bench.Echo, "bulk": bench.Download}
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{Options: bench.Defaults(bench.Urgent)}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(stderr)
	work := f.String("work", "urgent", "urgent, echo or bulk")
	which := f.String("peers", "", "`names` of peers, by comma; empty means all")
	f.IntVar(&o.Channels, "channels", 16, "streams; work urgent: downloads")
	f.IntVar(&o.Depth, "depth", 16, "work echo: messages under way on a stream")
	f.IntVar(&o.Size, "size", 64, "`bytes` of a message")
	f.DurationVar(&o.Duration, "duration", 2*time.Second, "of what is measured in a round")
	f.DurationVar(&o.Warmup, "warmup", 500*time.Millisecond, "before it")
	f.IntVar(&o.rounds, "rounds", 5, "of each peer, in turn")
	f.IntVar(&o.Window, "window", 0,
		"`bytes` of a stream's window, where that is fixed; 0 means 256 KiB, for work bulk 1 MiB")
	f.IntVar(&o.SendBuffer, "sndbuf", 0, "SO_SNDBUF of servers in `bytes`, but of quic; 0 means the system's default")
	f.StringVar(&o.json, "json", "", "`file` for all rounds as well")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	mode, ok := works()[*work]
	if !ok || f.NArg() > 0 || o.rounds < 1 {
		return nil, fmt.Errorf("no work %q, or no rounds, or arguments %q, of which there are none", *work, f.Args())
	}
	if o.Mode = mode; o.Window == 0 {
		o.Window = minWindow
		if mode == bench.Download {
			o.Window = 1 << 20
		}
	}
	if o.Window < minWindow || o.Window > maxWindow {
		return nil, fmt.Errorf("window is %d, not %d to %d", o.Window, minWindow, maxWindow)
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	var names []string
	if *which != "" {
		names = strings.Split(*which, ",")
	}
	var err error
	o.peers, err = choose(names)
	return o, err
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

// Command simulate runs worlds of package sim, as many as one likes, or the one of a seed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sscd-io/sscd/engine/internal/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(*sim.Failure)):
		os.Exit(1) // it has been reported
	default:
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(2)
	}
}

// options are the command's flags.
type options struct {
	seed     uint64
	one      bool // only that seed
	upto     int
	steps    uint64
	duration time.Duration
	workers  int
	verbose  bool
	play     string
	regress  string
	shrink   int
	small    bool
	fine     bool
	quiet    bool
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("simulate", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Uint64Var(&o.seed, "seed", 0, "run the world of this `seed` alone; with -steps or -duration, the first")
	f.IntVar(&o.upto, "upto", -1, "run only so many of its `operations`, and no liveness phase")
	f.Uint64Var(&o.steps, "steps", 0, "run worlds until there were so many `operations`")
	f.DurationVar(&o.duration, "duration", 0, "run worlds for so long; 10s if nothing else is said")
	f.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "so many worlds at a time")
	f.BoolVar(&o.verbose, "v", false, "with a seed or -play: print what happens")
	f.StringVar(&o.play, "play", "", "play the script in this `file`")
	f.StringVar(&o.regress, "regress", "", "write the shortened script of a failure into this `directory`")
	f.IntVar(&o.shrink, "shrink", 10_000_000, "run at most so many `operations` to shorten a failure; 0 does not")
	f.BoolVar(&o.small, "small", false, "look at every way that small conversations can go, and not at worlds")
	f.BoolVar(&o.fine, "fine", false, "with -small: cut frames at every byte")
	f.BoolVar(&o.quiet, "q", false, "show no progress")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	f.Visit(func(g *flag.Flag) { o.one = o.one || g.Name == "seed" })
	o.one = o.one && o.steps == 0 && o.duration == 0
	if o.steps == 0 && o.duration == 0 {
		o.duration = 10 * time.Second
	}
	o.workers = max(1, o.workers)
	return o, nil
}

// run is simulate without a process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	switch {
	case err != nil:
		return err
	case o.play != "":
		text, err := os.ReadFile(o.play)
		if err != nil {
			return err
		}
		s, err := sim.Parse(string(text))
		if err != nil {
			return err
		}
		return play(o, s, stdout)
	case o.one:
		return play(o, sim.Expand(o.seed), stdout)
	case o.small:
		return small(ctx, o, stdout, stderr)
	}
	return many(ctx, o, stdout, stderr)
}

// play runs one script.
func play(o *options, s *sim.Script, stdout io.Writer) error {
	w := sim.NewWorld()
	if o.upto >= 0 && o.upto < len(s.Ops) {
		s.Ops = s.Ops[:o.upto]
		w.Unfinished = true
	}
	if o.verbose {
		fmt.Fprint(stdout, (&sim.Script{Setup: s.Setup}).String())
		w.Trace = func(line string) { fmt.Fprintln(stdout, line) }
	}
	if f := w.Run(s); f != nil {
		return report(o, s, f, stdout)
	}
	fmt.Fprintf(stdout, "seed %d: all is well after %d operations and %d frames\n", s.Setup.Seed, len(s.Ops),
		w.Stats.Frames)
	return nil
}

// report says what failed and how to see it again, and writes down the shortest script that fails so.
func report(o *options, s *sim.Script, f *sim.Failure, stdout io.Writer) error {
	fmt.Fprintf(stdout, "FAILED %v\n", f)
	if o.play == "" {
		fmt.Fprintf(stdout, "again: scripts/simulate -seed %d -v\n", f.Seed)
	}
	if o.shrink == 0 {
		return f
	}
	short, g := sim.Shrink(s, f, o.shrink)
	name := fmt.Sprintf("%s-%d.sim", strings.ReplaceAll(f.Oracle, " ", "-"), f.Seed)
	fmt.Fprintf(stdout, "\nshortened from %d to %d operations: %s: %s\n%v", len(s.Ops), len(short.Ops), g.Oracle,
		g.Text, short)
	if o.regress == "" {
		return f
	}
	text, _, _ := strings.Cut(g.Text, "\n")
	path := filepath.Join(o.regress, name)
	body := fmt.Sprintf("# Found by seed %d.\n# %s: %s\n%v", f.Seed, g.Oracle, text, short)
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "written to %s\n", path)
	return f
}

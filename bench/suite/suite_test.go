package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// TestMain makes this program its own server, as sscd-bench is.
func TestMain(m *testing.M) {
	if process := bench.Process(os.Args[1:]); process != nil {
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// tiny is the whole matrix, small and short.
func tiny() Options {
	return Options{Rounds: 2, Duration: 20 * time.Millisecond, Warmup: time.Millisecond, Most: 20}
}

// Everything in the matrix is measured, and saved after each round.
func TestTheWholeMatrix(t *testing.T) {
	r, saved := bench.NewResults(nil), 0
	last := 0.0
	o := tiny()
	o.Rounds = 1
	err := Run(context.Background(), o, bench.Program(os.Args[0]), r, func(stage string, part float64, left time.Duration) {
		if part < last || part > 1 || left < 0 || !strings.HasPrefix(stage, "round ") {
			t.Errorf("%s: %v done, before %v; %v left", stage, part, last, left)
		}
		last = part
	}, func() error { saved++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	workloads := make(map[string]int)
	for _, row := range r.Rows {
		workloads[row.Workload]++
		missing := row.Workload == "file" && len(r.Notes) > 0
		if len(row.Rounds) != 1 && !missing || row.Variant == "" || row.Peer != bench.OurPeer {
			t.Errorf("%s: %d rounds", row.Key(), len(row.Rounds))
		}
		if len(row.Names()) == 0 {
			t.Errorf("%s: no figures", row.Key())
		}
	}
	for _, e := range matrix() {
		if workloads[string(e.Mode)] == 0 {
			t.Errorf("no row of %s", e.Mode)
		}
	}
	if saved != 1 || last < 0.5 {
		t.Errorf("saved %d times; %v done at the end", saved, last)
	}
}

// What fails is noted, tried once, and does not keep the rest from being measured.
func TestAFailureIsNoted(t *testing.T) {
	o := tiny()
	o.Only = []string{"open", "file"}
	t.Setenv("TMPDIR", "/nowhere")
	r := bench.NewResults(nil)
	err := Run(context.Background(), o, bench.Program(os.Args[0]), r, func(string, float64, time.Duration) {}, func() error { return nil })
	if err == nil || !strings.Contains(err.Error(), "/nowhere") || len(r.Notes) != 1 {
		t.Errorf("error %v, notes %q", err, r.Notes)
	}
	if len(r.Rows) != len(engine.Backends()) || r.Rows[0].Workload != "open" || len(r.Rows[0].Rounds) != 2 {
		t.Errorf("rows %+v", r.Rows)
	}
}

func TestStopping(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := tiny()
	o.Duration = time.Minute
	err := Run(ctx, o, bench.Program(os.Args[0]), bench.NewResults(nil),
		func(string, float64, time.Duration) { cancel() }, func() error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestWrongOptions(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Rounds = 0 }, "rounds is 0"},
		{func(o *Options) { o.Rounds = 1 << 30 }, "rounds is"},
		{func(o *Options) { o.Duration = -1 }, "duration"},
		{func(o *Options) { o.Warmup = -1 }, "warmup"},
		{func(o *Options) { o.Only = []string{"echo", "rest"} }, `no "rest"; there are, and their modes: echo-1x1x1 `},
	} {
		o := Defaults(false)
		c.change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	for _, quick := range []bool{false, true} {
		if o := Defaults(quick); o.Check() != nil {
			t.Error(o.Check())
		}
	}
}

// Every name chooses one entry, and its options are those of a run that can be made.
func TestMatrix(t *testing.T) {
	seen := make(map[string]bool)
	for _, e := range matrix() {
		if seen[e.name()] {
			t.Errorf("%s is there twice", e.name())
		}
		seen[e.name()] = true
		if err := e.Check(); err != nil {
			t.Errorf("%s: %v", e.name(), err)
		}
	}
}

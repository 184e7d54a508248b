package tune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
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

// pretend is a search on a machine that is made up: a round takes a second, and its figure is that of what with noise.
func pretend(budget time.Duration, noise float64, seed uint64, what func(s settings) float64) *search {
	r := rand.New(rand.NewPCG(seed, 1))
	now := time.Unix(0, 0)
	return &search{
		goal: Rate, end: now.Add(budget), budget: budget, now: func() time.Time { return now },
		knobs: []knob{{flag: "a", values: []string{"1", "2"}}, {flag: "b", values: []string{"1", "2", "3"}}},
		measure: func(_ context.Context, s settings) (float64, error) {
			now = now.Add(time.Second)
			return what(s) * math.Exp(noise*r.NormFloat64()), nil
		},
		candidates: 5,
	}
}

// table is a report for people.
func table(t *testing.T, r *Report) string {
	t.Helper()
	var b, raw bytes.Buffer
	if r.WriteTable(&b) != nil || r.WriteJSON(&raw) != nil || raw.Len() == 0 {
		t.Fatal("not written")
	}
	return b.String()
}

// b=2 is better by itself; a=2 only beside it, which the first pass can't know.
func TestWhatIsBetterIsFound(t *testing.T) {
	s := pretend(time.Hour, 0.05, 7, func(s settings) float64 {
		v := 100.
		if s["b"] == "2" {
			v += 20
			if s["a"] == "2" {
				v += 20
			}
		}
		return v
	})
	r, err := s.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f := r.Final
	if f == nil || f.Flags != "--a=2 --b=2" || !f.Holds || f.Gain < 0.3 || f.Gain > 0.5 {
		t.Errorf("final: %+v\n%s", f, table(t, r))
	}
	if out := table(t, r); !strings.Contains(out, "sscd serve --a=2 --b=2\n+") {
		t.Error(out)
	}
}

// Where nothing matters, a hundred searches among five values find something by chance in few, and the final refutes
// those.
func TestNoiseIsNoGain(t *testing.T) {
	kept, held := 0, 0
	for seed := range uint64(100) {
		s := pretend(time.Hour, 0.1, seed, func(settings) float64 { return 100 })
		r, err := s.run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if r.Final == nil {
			if out := table(t, r); !strings.Contains(out, "nothing beats the defaults; their rounds differ by") {
				t.Fatal(out)
			}
			continue
		}
		if kept++; r.Final.Holds {
			held++
		} else if out := table(t, r); !strings.Contains(out, "when it was measured again") {
			t.Fatal(out)
		}
	}
	if kept > 8 || held > 1 {
		t.Errorf("of 100 searches, %d kept something, and in %d it held", kept, held)
	}
}

func TestABudgetIsKept(t *testing.T) {
	s := pretend(30*time.Second, 0.01, 1, func(s settings) float64 { return 100 })
	s.progress = func(stage string, part float64, _ int64) {
		if part < 0 || part > 1 || !strings.Contains(stage, "left") {
			t.Errorf("%s: %v", stage, part)
		}
	}
	r, err := s.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Rounds > 30 || !strings.Contains(table(t, r), "a larger --budget has time") {
		t.Errorf("%d rounds of a second in 30:\n%s", r.Rounds, table(t, r))
	}
}

// A value with which the server does not work is no candidate; defaults with which it does not are the end.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	for flag, want := range map[string]error{"a": nil, "": broken} {
		s := pretend(time.Hour, 0.01, 1, func(s settings) float64 { return 100 })
		before := s.measure
		s.measure = func(ctx context.Context, set settings) (float64, error) {
			if _, ok := set[flag]; ok || flag == "" {
				return 0, broken
			}
			return before(ctx, set)
		}
		r, err := s.run(context.Background())
		if !errors.Is(err, want) {
			t.Errorf("%q: error %v", flag, err)
		}
		if err == nil && (r.Trials[0].Verdict != Failed || !strings.Contains(table(t, r), "failed broken")) {
			t.Errorf("%+v", r.Trials[0])
		}
	}
}

// From a table of the test's: for 3 and 3 figures, U = 9 has p = 1/20, and for 5 and 5, U = 23 has 4/252.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 1. / 20},
		{[]float64{4, 5, 6}, []float64{1, 2, 3}, 1},
		{[]float64{1, 2, 3, 4, 6}, []float64{5, 7, 8, 9, 5.5}, 4. / 252},
		{[]float64{1, 1, 1}, []float64{1, 1, 1}, 13. / 20},
	} {
		if p := Rate.better(c.a, c.b); math.Abs(p-c.want) > 1e-12 {
			t.Errorf("%v %v: %v, not %v", c.a, c.b, p, c.want)
		}
		if p := CPU.better(c.b, c.a); math.Abs(p-c.want) > 1e-12 && c.want < 0.5 {
			t.Errorf("less is better, %v %v: %v, not %v", c.b, c.a, p, c.want)
		}
	}
}

// Every value of every knob is one that the engine takes.
func TestKnobs(t *testing.T) {
	for _, k := range knobs() {
		for _, v := range k.values {
			cfg := settings{k.flag: v}.of(bench.ServerConfig{})
			if reflect.DeepEqual(cfg, bench.ServerConfig{}) {
				t.Errorf("--%s=%s changes nothing", k.flag, v)
			}
			e, err := engine.Start(engine.Config{
				Handler: idle{}, Backend: cfg.Backend, Loops: cfg.Loops, Socket: cfg.Socket, FrameSize: cfg.FrameSize,
				ConnWindow: cfg.ConnWindow,
			})
			if err != nil {
				t.Errorf("--%s=%s: %v", k.flag, v, err)
				continue
			}
			e.Close()
		}
	}
}

type idle struct{}

func (idle) OnOpen(engine.Channel, engine.OpenRequest) engine.Answer { return engine.Answer{} }
func (idle) OnData(engine.Channel, []byte)                           {}
func (idle) OnWritable(engine.Channel)                               {}
func (idle) OnClose(engine.Channel, error)                           {}

func TestTune(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	for _, mode := range Modes {
		o := Options{Bench: bench.Defaults(mode), Goal: CPU, Budget: time.Second, Only: []string{"nodelay", "quickack"}}
		o.Bench.Channels = 5
		r, err := Tune(context.Background(), o, bench.Program(os.Args[0]), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Trials) < 2 || r.Rounds < 2 {
			t.Errorf("%s: %d rounds, trials %+v", mode, r.Rounds, r.Trials)
		}
		if out := table(t, r); !strings.Contains(out, "--nodelay=false") {
			t.Error(out)
		}
	}
}

func TestMistakes(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"mode idle can't be":                    func(o *Options) { o.Bench = bench.Defaults(bench.Idle) },
		`no goal "x"; there are [rate cpu both`: func(o *Options) { o.Goal = "x" },
		"budget is 0s":                          func(o *Options) { o.Budget = 0 },
		`no knob "x"; there are back`:           func(o *Options) { o.Only = []string{"x"} },
		"conns is 0":                            func(o *Options) { o.Bench.Conns = 0 },
		"goal p99 goes with":                    func(o *Options) { o.Bench, o.Goal = bench.Defaults(bench.Upload), P99 },
	} {
		o := Options{Bench: bench.Defaults(bench.Echo), Goal: Rate, Budget: time.Minute}
		change(&o)
		if _, err := Tune(context.Background(), o, "", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

package compare

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/sscd-io/sscd/bench"
)

// results are those of one row.
func results(figure string, rounds ...float64) *bench.Results {
	row := bench.Row{Workload: "echo", Peer: bench.OurPeer, Variant: "epoll", Conns: 1, Channels: 100, Depth: 16}
	for _, v := range rounds {
		row.Rounds = append(row.Rounds, bench.Figures{figure: v})
	}
	return &bench.Results{Format: bench.ResultsFormat, Rows: []bench.Row{row}}
}

// A difference is a verdict when it is significant and larger than the threshold; which one, the figure's kind says.
func TestVerdicts(t *testing.T) {
	before := []float64{100, 101, 99, 102, 98}
	for _, c := range []struct {
		name   string
		figure string
		after  []float64
		want   Verdict
	}{
		{"the same", bench.P99, before, Same},
		{"slower", bench.P99, []float64{110, 111, 112, 113, 114}, Worse},
		{"faster", bench.P99, []float64{90, 91, 92, 89, 88}, Better},
		{"more", bench.MessagesPerSecond, []float64{110, 111, 112, 113, 114}, Better},
		{"less", bench.MessagesPerSecond, []float64{90, 91, 92, 89, 88}, Worse},
		{"within the threshold", bench.P99, []float64{103, 103.5, 104, 103.2, 103.1}, Same},
		{"now and then", bench.P99, []float64{90, 150, 95, 160, 170}, Same},
		{"too few rounds", bench.P99, []float64{200, 200}, Same},
		{"neither better nor worse", bench.Max, []float64{110, 111, 112, 113, 114}, Changed},
		{"unknown", "somebody's own", []float64{110, 111, 112, 113, 114}, Changed},
		{"from huge to huge", bench.P99, []float64{1e308, 1.1e308, 1.2e308, 1.3e308, 1.4e308}, Worse},
	} {
		got, err := Compare(results(c.figure, before...), results(c.figure, c.after...), Defaults())
		if err != nil {
			t.Fatal(err)
		}
		if l := got.Lines[0]; l.Verdict != c.want || got.Count(c.want) != 1 {
			t.Errorf("%s: %+v", c.name, l)
		}
		if n := len(c.after); (n < minRounds) != (len(got.Warnings) == 1) {
			t.Errorf("%s: warnings %q", c.name, got.Warnings)
		}
		var raw, table bytes.Buffer
		if err := got.WriteJSON(&raw); err != nil || !json.Valid(raw.Bytes()) {
			t.Errorf("%s: JSON %s, error %v", c.name, raw.String(), err)
		}
		if err := got.WriteTable(&table, "old", "new"); err != nil || !strings.Contains(table.String(), "echo 1 x 100 x 16, epoll") {
			t.Errorf("%s: table %s, error %v", c.name, table.String(), err)
		}
	}
}

func TestTable(t *testing.T) {
	c, err := Compare(results(bench.P99, 1, 1, 1, 1.1, 1), results(bench.P99, 2, 2, 2, 2, 2), Defaults())
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := c.WriteTable(&table, "old.json", "new.json"); err != nil {
		t.Fatal(err)
	}
	const want = `p99, ms                   old.json             new.json  vs base
echo 1 x 100 x 16, epoll  1.00 (1.00 to 1.10)  2.00      +100.00% (p=0.008 n=5)  worse
`
	if got := strings.ReplaceAll(table.String(), "vs base                 \n", "vs base\n"); got != want {
		t.Errorf("table:\n%q\nwant:\n%q", got, want)
	}
}

func TestNothingInCommon(t *testing.T) {
	if _, err := Compare(results(bench.P99, 1), results(bench.P50, 1), Defaults()); err == nil {
		t.Error("no error")
	}
	a, b := results(bench.P99, 1), results(bench.P99, 1)
	a.Rows, b.Machine.Go = append(a.Rows, bench.Row{Workload: "open", Peer: "x"}), "go2"
	c, err := Compare(a, b, Defaults())
	if err != nil || len(c.Warnings) != 3 || c.Warnings[0] != "the two machines differ: Go" {
		t.Errorf("%+v, error %v", c, err)
	}
}

func TestWrongOptions(t *testing.T) {
	for _, o := range []Options{{-1, 0.05}, {math.NaN(), 0.05}, {0, 0}, {0, 1}, {0, math.NaN()}} {
		if _, err := Compare(results(bench.P99, 1), results(bench.P99, 1), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// What is written for benchstat is what its own reader understands, in its units.
func TestBenchfmt(t *testing.T) {
	r := results(bench.ServerPerMillion, 0.2, 0.3)
	r.Machine.OS, r.Rows[0].Variant = "linux/amd64", "beside bulk, net"
	r.Rows[0].Rounds[0][bench.MBPerSecond] = 7
	r.Rows[0].Rounds = append(r.Rows[0].Rounds, bench.Figures{})
	var b bytes.Buffer
	if err := WriteBenchfmt(&b, r, "new"); err != nil {
		t.Fatal(err)
	}
	in := benchfmt.NewReader(strings.NewReader(b.String()), "test")
	n := 0
	for in.Scan() {
		switch rec := in.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Errorf("%v in\n%s", rec, b.String())
		case *benchfmt.Result:
			n++
			v, ok := rec.Value("server-cpu-sec/op")
			if !ok || n == 1 && v != 0.2e-6 || rec.GetConfig("results") != "new" || rec.GetConfig("goos") != "linux" {
				t.Errorf("%+v", rec)
			}
			if name := rec.Name.String(); name != "Echo/peer=sscd/variant=beside_bulk_net/conns=1/channels=100/depth=16" {
				t.Error(name)
			}
		}
	}
	if n != 2 || in.Units().GetBetter("B/s") != 1 || in.Units().GetBetter("server-cpu-sec/op") != -1 {
		t.Errorf("%d results in\n%s", n, b.String())
	}
}

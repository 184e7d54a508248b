package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/bench/claims"
	"github.com/sscd-io/sscd/cmd/internal/flags"
	"github.com/sscd-io/sscd/engine"
)

// TestMain makes this program its own server, as sscd-bench is.
func TestMain(m *testing.M) {
	if process := claims.Process(os.Args[1:]); process != nil {
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// sscdBench is a command line of sscd-bench.
func sscdBench(line ...string) (stdout, stderr string, err error) {
	var out, bad bytes.Buffer
	c, args := choose(line)
	err = c(context.Background(), args, &out, &bad)
	return out.String(), bad.String(), err
}

// suiteFile measures a little and returns the file of results.
func suiteFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "made", "suite.json")
	out, bad, err := sscdBench("suite", "--out", file, "--only", "open,echo-1x100x16", "--rounds", "2",
		"--duration", "20ms", "--warmup", "1ms")
	if err != nil || !strings.HasPrefix(out, fmt.Sprintf("%s: %d rows\n", file, 2*len(engine.Backends()))) {
		t.Fatalf("%s%s%v", out, bad, err)
	}
	return file
}

func TestSuiteWritesResults(t *testing.T) {
	r, err := bench.ReadResults(suiteFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2*len(engine.Backends()) || len(r.Rows[0].Rounds) != 2 ||
		r.Machine.CPUs < 1 || !strings.HasPrefix(r.Command, "sscd-bench suite ") {
		t.Errorf("%+v", r)
	}
	dir := t.TempDir()
	if _, _, err := sscdBench("suite", "--quick", "--only", "open", "--out", dir); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "suite-*Z.json")); len(files) != 1 {
		t.Errorf("files %q", files)
	}
}

// The results of a single mode are of the same kind, facts of the machine included.
func TestJSONOfAMode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "echo.json")
	if _, _, err := sscdBench("--duration", "20ms", "--warmup", "1ms", "--json", file); err != nil {
		t.Fatal(err)
	}
	r, err := bench.ReadResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 1 || r.Rows[0].Key() != "echo/sscd/epoll/1x100x16/64" || r.Machine.Go == "" || r.Detail == nil {
		t.Errorf("%+v", r)
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, line := range []string{
		"suite more", "suite --what", "suite --only nothing", "suite --rounds 0", "suite --duration x", "suite --quick=maybe",
	} {
		if _, _, err := sscdBench(strings.Fields(line)...); !errors.As(err, new(flags.UsageError)) {
			t.Errorf("%s: error %v", line, err)
		}
	}
}

// Exit status 1 is for what has become worse, 2 for the command line; a file that is none is named.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, p99 ...float64) string {
		row := bench.Row{Workload: "echo", Peer: bench.OurPeer}
		for _, v := range p99 {
			row.Rounds = append(row.Rounds, bench.Figures{bench.P99: v})
		}
		r := bench.NewResults(nil)
		r.Join(row)
		name = filepath.Join(dir, name)
		if err := r.WriteFile(name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	old, slow := file("old.json", 1, 2, 3, 4, 5), file("slow.json", 11, 12, 13, 14, 15)
	if out, _, err := sscdBench("compare", old, old); err != nil || !strings.Contains(out, "~ (p=1.000 n=5)") {
		t.Errorf("%s%v", out, err)
	}
	out, _, err := sscdBench("compare", old, slow, "--json")
	if err == nil || errors.As(err, new(flags.UsageError)) || !strings.Contains(out, `"verdict": "worse"`) {
		t.Errorf("%s%v", out, err)
	}
	if _, _, err := sscdBench("compare", old, slow, "--threshold", "500"); err != nil {
		t.Error(err)
	}
	if out, _, err := sscdBench("compare", "--benchfmt", old); err != nil || !strings.Contains(out, "BenchmarkEcho/peer=sscd 1 0.001 p99-sec") {
		t.Errorf("%s%v", out, err)
	}
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sscdBench("compare", old, bad); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("error %v", err)
	}
	for _, line := range [][]string{
		{}, {old}, {old, old, old}, {old, old, "--threshold", "-1"}, {old, old, "--threshold=NaN"}, {old, old, "--alpha", "2"},
		{old, old, "--json", "--benchfmt"}, {"--what", old, old}, {"--", old, old, "--json"},
	} {
		if _, _, err := sscdBench(append([]string{"compare"}, line...)...); !errors.As(err, new(flags.UsageError)) {
			t.Errorf("%s: error %v", line, err)
		}
	}
}

// A page, plots and tables come of what suite wrote.
func TestReport(t *testing.T) {
	file, dir := suiteFile(t), t.TempDir()
	page, svgs := filepath.Join(dir, "page.html"), filepath.Join(dir, "svg")
	out, _, err := sscdBench("report", file, "-o", page, "--svg", svgs, "--markdown", "-")
	if err != nil || !strings.Contains(out, "| 1 x 100 x 16 | epoll |") {
		t.Errorf("%s%v", out, err)
	}
	if raw, err := os.ReadFile(page); err != nil || !bytes.Contains(raw, []byte("Latency percentiles")) {
		t.Errorf("%d bytes, error %v", len(raw), err)
	}
	if files, _ := filepath.Glob(filepath.Join(svgs, "latency.svg")); len(files) != 1 {
		t.Errorf("%q", files)
	}
	t.Chdir(dir)
	if _, _, err := sscdBench("report", file); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("report.html"); err != nil {
		t.Error(err)
	}
	for _, line := range [][]string{{}, {"--what", file}} {
		if _, _, err := sscdBench(append([]string{"report"}, line...)...); !errors.As(err, new(flags.UsageError)) {
			t.Errorf("%q: error %v", line, err)
		}
	}
	if _, _, err := sscdBench("report", filepath.Join(dir, "none.json")); err == nil || !strings.Contains(err.Error(), "none.json") {
		t.Errorf("error %v", err)
	}
}

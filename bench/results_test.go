package bench

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twoRows are results as a measurement makes them.
func twoRows() *Results {
	r := NewResults([]string{"sscd-bench", "suite"})
	echo := Row{Workload: "echo", Peer: OurPeer, Variant: "epoll", Conns: 1, Channels: 100, Depth: 16, Size: 64}
	for _, v := range []float64{3e6, 1e6, 2e6} {
		echo.Rounds = []Figures{{MessagesPerSecond: v, "own": 1}}
		r.Join(echo)
	}
	r.Join(Row{Workload: "idle", Peer: "yamux", Conns: 1, Channels: 1000, Rounds: []Figures{{BytesPerChannel: 5000}}})
	return r
}

func TestResultsComeBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	r := twoRows()
	r.Rows[1].Rounds[0][P99] = math.NaN()
	if err := r.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	back, err := ReadResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 2 || back.Command != "sscd-bench suite" || !back.When.Equal(r.When) {
		t.Errorf("read back: %+v", back)
	}
	if differs := back.Machine.Differs(&r.Machine); differs != nil || back.Machine.Go == "" || back.Machine.CPUs < 1 {
		t.Errorf("machine: %+v, differs in %v", back.Machine, differs)
	}
	echo := &back.Rows[0]
	if s, ok := echo.Spread(MessagesPerSecond); !ok || s != (Spread{2e6, 1e6, 3e6}) {
		t.Errorf("spread %+v", s)
	}
	if names := strings.Join(echo.Names(), " "); names != MessagesPerSecond+" own" || echo.Shape() != "1 x 100 x 16" {
		t.Errorf("names %s, shape %s", names, echo.Shape())
	}
	if _, ok := back.Rows[1].Spread(P99); ok {
		t.Error("a figure that is no number was written")
	}
}

// What is no file of results is told by its name and its fault.
func TestHostileFiles(t *testing.T) {
	var whole bytes.Buffer
	if err := twoRows().WriteJSON(&whole); err != nil {
		t.Fatal(err)
	}
	row := func(s string) string { return `{"format":"sscd-bench/1","rows":[` + s + `]}` }
	for _, c := range []struct{ name, content, want string }{
		{"empty", " \n", "is empty"},
		{"truncated", whole.String()[:whole.Len()/2], "not a whole one"},
		{"array", "[]", "no JSON object"},
		{"null", "null", "it has no format"},
		{"other", `{"options":{}}`, "it has no format"},
		{"newer", `{"format":"sscd-bench/2"}`, `format is sscd-bench/2, not "sscd-bench/1"`},
		{"format", `{"format":{"a":1}}`, "format is map"},
		{"no rows", row(""), "no rows"},
		{"rows", `{"format":"sscd-bench/1","rows":7}`, "rows"},
		{"machine", `{"format":"sscd-bench/1","machine":[]}`, "machine"},
		{"when", `{"format":"sscd-bench/1","when":"soon"}`, "soon"},
		{"null row", row("null"), "row 0 has no workload"},
		{"no peer", row(`{"workload":"echo"}`), "row 0 has no workload or no peer"},
		{"no rounds", row(`{"workload":"echo","peer":"sscd"}`), "no rounds"},
		{"less", row(`{"workload":"echo","peer":"sscd","conns":-1,"rounds":[{}]}`), "less than no"},
		{"huge", row(`{"workload":"echo","peer":"sscd","conns":1e99,"rounds":[{}]}`), "conns"},
		{"NaN", row(`{"workload":"echo","peer":"sscd","rounds":[{"p99_ms":NaN}]}`), "no JSON object"},
		{"infinite", row(`{"workload":"echo","peer":"sscd","rounds":[{"p99_ms":1e999}]}`), "1e999"},
		{"string", row(`{"workload":"echo","peer":"sscd","rounds":[{"p99_ms":"7"}]}`), "string"},
		{"nameless", row(`{"workload":"echo","peer":"sscd","rounds":[{"":7}]}`), `"" is 7`},
		{"deep", strings.Repeat("[", 1<<20), "no JSON object"},
		{"twice", row(`{"workload":"e","peer":"p","rounds":[{}]},{"workload":"e","peer":"p","rounds":[{}]}`), "twice"},
	} {
		file := filepath.Join(t.TempDir(), "results.json")
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadResults(file)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := ReadResults(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error without a file")
	}
	if _, err := parseResults(endless{}); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("an endless file: error %v", err)
	}
}

// endless is a file of spaces.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", 1234567: "1,234,567", -100: "-100"} {
		if got := Thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.01234: "0.0123", 0.172: "0.172", 1: "1.00", 12.34: "12.3", 123.4: "123", 999.9: "1,000", 1234: "1,230",
		128_345: "128,000", 999_499: "999,000", 999_500: "1.00 M", 2.834e6: "2.83 M", -4567: "-4,570", 1e300: "1e+300", 1e-9: "1e-09",
		math.Inf(1): "+Inf",
	} {
		if got := Digits(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if s := SpreadOf([]float64{3, 1, 2}).Digits(); s != "2.00 (1.00 to 3.00)" {
		t.Error(s)
	}
}

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/bench"
)

// row makes a row with two rounds of figures.
func row(workload, peer, variant string, conns, channels, depth int, f bench.Figures) bench.Row {
	more := make(bench.Figures)
	for name, v := range f {
		more[name] = v * 1.1
	}
	return bench.Row{
		Workload: workload, Peer: peer, Variant: variant, Conns: conns, Channels: channels, Depth: depth,
		Rounds: []bench.Figures{f, more},
	}
}

// everything are results with something for each chart.
func everything() []Source {
	r := bench.NewResults([]string{"sscd-bench", "suite"})
	for _, peer := range []string{"sscd", "yamux"} {
		for _, channels := range []int{1, 100, 10_000} {
			r.Join(row("echo", peer, "", 1, channels, 1, bench.Figures{bench.MessagesPerSecond: 1e4 * float64(channels),
				bench.ServerPerMillion: 1 / float64(channels), bench.P50: 0.1, bench.P90: 0.2, bench.P99: 0.3, bench.P999: 0.4}))
		}
		r.Join(
			row("echo", peer, "", 1, 100, 16, bench.Figures{bench.MessagesPerSecond: 2e6, bench.ServerPerMillion: 0.2}),
			row("download", peer, "", 1, 16, 0, bench.Figures{bench.MBPerSecond: 3000, bench.ServerPerGB: 0.2}),
			row("idle", peer, "", 1, 1000, 0, bench.Figures{bench.BytesPerChannel: 130}),
			row("idle", peer, "", 1000, 1, 0, bench.Figures{bench.BytesPerConn: 1500}),
			row("open", peer, "", 1, 0, 16, bench.Figures{bench.OpensPerSecond: 1e5}),
			row("urgent", peer, "beside equals", 1, 16, 0, bench.Figures{bench.P99: 0.3}),
			row("fanout", peer, "Broadcast", 100, 1000, 0, bench.Figures{bench.ServerPerMillion: 0.1}),
			row("fair", peer, "", 1, 8, 0, bench.Figures{bench.LowestShare: 1.9}),
		)
	}
	return []Source{{"suite.json", r}}
}

// wellFormed fails if a document is no XML.
func wellFormed(t *testing.T, what, doc string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(doc)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
	}
}

func TestEveryChart(t *testing.T) {
	r := New(everything())
	names := make(map[string]bool)
	for _, c := range r.Charts {
		if names[c.Name] {
			t.Errorf("two charts are %s", c.Name)
		}
		names[c.Name] = true
	}
	for _, want := range []string{
		"latency", "throughput", "cpu-channels", "peers-server-cpu-s-per-million-echo-1-x-100-x-16",
		"peers-server-cpu-s-per-gb-download-1-x-16", "urgent", "bulk", "memory-channels", "memory-conns", "opens", "fanout",
	} {
		if !names[want] {
			t.Errorf("no chart %s among %v", want, names)
		}
	}
	dir := t.TempDir()
	files, err := r.WriteSVGs(dir)
	if err != nil || len(files) != len(r.Charts) {
		t.Fatalf("%q, error %v", files, err)
	}
	for _, file := range files {
		svg, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, file, string(svg))
		for _, want := range []string{"<title>", "prefers-color-scheme:dark", "var(--ink)", "Helvetica"} {
			if !strings.Contains(string(svg), want) {
				t.Errorf("%s has no %s", file, want)
			}
		}
		if strings.Contains(string(svg), "#0100") || strings.Contains(string(svg), "#0101") {
			t.Errorf("%s: a colour has no variable", file)
		}
	}
}

func TestPage(t *testing.T) {
	var b bytes.Buffer
	if err := New(everything()).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		"<b>2.10 M</b>messages/s", "Latency percentiles", "<svg role=\"img\"", "sscd-bench suite", "yamux", "<td>sscd</td>",
		"net.ipv4.tcp_rmem", "prefers-color-scheme:dark",
	} {
		if want == "<td>sscd</td>" {
			want = `<td class="name">sscd</td>`
		}
		if !strings.Contains(page, want) {
			t.Errorf("no %s in the page", want)
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "@import", "src="} {
		if s := strings.ReplaceAll(page, "http://www.w3.org/", ""); strings.Contains(s, bad) {
			t.Errorf("%s in the page", bad)
		}
	}
}

func TestMarkdown(t *testing.T) {
	r := bench.NewResults([]string{"x"})
	r.Machine = bench.Machine{CPU: "C", CPUs: 2, OS: "linux/amd64", Kernel: "6", Go: "go1"}
	r.When = r.When.AddDate(2026-r.When.Year(), 0, 0)
	r.Join(row("open", "sscd", "net", 1, 0, 16, bench.Figures{bench.OpensPerSecond: 100_000}))
	var b bytes.Buffer
	if err := New([]Source{{"r", r}}).WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	const want = `## open

| connections x channels x depth | variant | opens/s |
|---|---|---|
| 1 x 16 under way | net | 105,000 (100,000 to 110,000) |

Of 2026-`
	if !strings.HasPrefix(b.String(), want) || !strings.HasSuffix(b.String(), ", 2 x C, 0 GiB, linux/amd64 6, go1: `x`\n") {
		t.Errorf("%s", b.String())
	}
}

// Whatever names and figures files have, the page is a page: nothing panics, nothing hangs, nothing gets out of its place.
func TestHostileResults(t *testing.T) {
	names := []string{"", "<script>alert(1)</script>", "a|b\n## c", strings.Repeat("long ", 10_000), "\x00\x01\xff\ufffd", "日本語 🙂", "</style>", "%s%n"}
	figures := []float64{0, -1, 1e-300, 1e300, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1, 1e15, 1e-9}
	r := bench.NewResults(names)
	r.Machine = bench.Machine{CPU: names[1], Kernel: names[3], Mitigations: map[string]string{names[1]: names[2]}}
	r.Notes = names
	for i, name := range names {
		for _, workload := range []string{"echo", "download", "idle", "urgent", "open", "fanout", "w" + name} {
			for j, v := range figures {
				f := bench.Figures{"own" + name: v}
				for _, k := range bench.Kinds {
					f[k.Name] = v
				}
				n := j + 1
				r.Rows = append(r.Rows, bench.Row{Workload: workload, Peer: "p" + name, Variant: names[len(names)-1-i], Conns: 1,
					Channels: n * n * n * 1000, Depth: 1, Rounds: []bench.Figures{f, {bench.P99: figures[i]}}})
			}
		}
	}
	rep := New([]Source{{names[1], r}, {"again", r}})
	var page, markdown bytes.Buffer
	if err := rep.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if s := page.String(); strings.Contains(s, "<script") || strings.Count(s, "</style>") != 1 {
		t.Error("a name got out of its place")
	}
	if err := rep.WriteMarkdown(&markdown); err != nil || strings.Contains(markdown.String(), "\n## c") {
		t.Errorf("a name got out of its cell, or error %v", err)
	}
	for _, c := range rep.Charts {
		svg, err := c.SVG(true)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		wellFormed(t, c.Name, svg)
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s is drawn nowhere", c.Name)
		}
	}
	if _, err := rep.WriteSVGs(t.TempDir()); err != nil {
		t.Error(err)
	}
}

// Results without anything to draw are a page, too.
func TestNothingToDraw(t *testing.T) {
	r := bench.NewResults(nil)
	r.Join(row("own", "x", "", 0, 0, 0, bench.Figures{}))
	rep := New([]Source{{"r", r}})
	if len(rep.Charts) != 0 {
		t.Errorf("%d charts", len(rep.Charts))
	}
	if err := rep.WriteHTML(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestAxes(t *testing.T) {
	for _, c := range []struct{ low, high, from, to float64 }{
		{1, 1, 1, 10}, {0.3, 7, 0.2, 10}, {25, 180, 20, 200}, {6, 49, 5, 50}, {1e-9, 1e15, 1e-9, 1e15},
	} {
		from, to := logBounds(c.low, c.high)
		if math.Abs(from/c.from-1) > 1e-9 || math.Abs(to/c.to-1) > 1e-9 {
			t.Errorf("%v to %v: an axis from %v to %v", c.low, c.high, from, to)
		}
		if n := len(logTicks(from, to)); n < 2 || n > 26 {
			t.Errorf("%v to %v: %d ticks", from, to, n)
		}
	}
	for _, to := range []float64{1e-9, 0.3, 1, 7, 18_800, 190_000, 1e15} {
		if n := len(evenTicks(to)); n < 3 || n > 8 {
			t.Errorf("to %v: %d ticks", to, n)
		}
	}
}

func TestRead(t *testing.T) {
	if _, err := Read(nil); err == nil {
		t.Error("no error without files")
	}
	file := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(file, []byte("[1]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read([]string{file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
	if n := len(fileName(strings.Repeat(fmt.Sprint("../", 7), 99))); n > 80 {
		t.Errorf("a file name of %d characters", n)
	}
}

package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchfmt"

	"github.com/sscd-io/sscd/bench"
)

// WriteTable writes the comparison much as benchstat does: for each figure, the medians, with the lowest and the
// highest, and by how much the medians differ; "~" if that is not significant.
func (c *Comparison) WriteTable(w io.Writer, old, new string) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, name := range c.figures() {
		if i > 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\tvs base\t\n", bench.KindOf(name).Label(), old, new)
		for _, l := range c.Lines {
			if l.Figure != name {
				continue
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s (%s)\t%s\n", l.Row, l.Old.Digits(), l.New.Digits(),
				l.test.FormatDelta(l.Old.Median, l.New.Median), l.test.String(), l.mark())
		}
	}
	t.Flush() // into memory
	_, err := w.Write(b.Bytes())
	return err
}

// figures returns the names of the figures, each once, in the order in which they come.
func (c *Comparison) figures() (names []string) {
	seen := make(map[string]bool)
	for _, k := range bench.Kinds {
		for _, l := range c.Lines {
			if l.Figure == k.Name && !seen[k.Name] {
				names, seen[k.Name] = append(names, k.Name), true
			}
		}
	}
	for _, l := range c.Lines {
		if !seen[l.Figure] {
			names, seen[l.Figure] = append(names, l.Figure), true
		}
	}
	return names
}

// mark is a line's verdict where it is one.
func (l *Line) mark() string {
	if l.Verdict == Better || l.Verdict == Worse {
		return string(l.Verdict)
	}
	return ""
}

// WriteJSON writes the comparison as JSON.
func (c *Comparison) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// WriteBenchfmt writes results in the format that benchstat reads, a line for each round. label, if not empty,
// becomes the key "results", for benchstat -col results.
func WriteBenchfmt(w io.Writer, r *bench.Results, label string) error {
	out := benchfmt.NewWriter(w)
	config := func(key, value string) benchfmt.Config {
		return benchfmt.Config{Key: key, Value: []byte(value), File: true}
	}
	system, arch, _ := strings.Cut(r.Machine.OS, "/")
	head := []benchfmt.Config{config("goos", system), config("goarch", arch), config("cpu", r.Machine.CPU)}
	if label != "" {
		head = append(head, config("results", label))
	}
	told := make(map[string]bool)
	for i := range r.Rows {
		row := &r.Rows[i]
		for _, f := range row.Rounds {
			res := &benchfmt.Result{Config: head, Name: benchfmt.Name(benchName(row)), Iters: 1}
			for _, name := range row.Names() {
				v, ok := f[name]
				if !ok {
					continue
				}
				unit, by := benchUnit(name)
				if better := betterOf(name); better != "" && !told[unit] {
					told[unit] = true
					if _, err := fmt.Fprintf(w, "Unit %s better=%s\n", unit, better); err != nil {
						return err
					}
				}
				res.Values = append(res.Values, benchfmt.Value{Value: v * by, Unit: unit})
			}
			if len(res.Values) == 0 {
				continue
			}
			if err := out.Write(res); err != nil {
				return err
			}
		}
	}
	return nil
}

// betterOf is which figures of a name are better, as benchstat calls it.
func betterOf(name string) string {
	switch bench.KindOf(name).Better {
	case bench.Lower:
		return "lower"
	case bench.Higher:
		return "higher"
	}
	return ""
}

// benchName is a row's name without the word Benchmark: the workload, and what tells rows apart as keys.
func benchName(row *bench.Row) string {
	name := strings.ToUpper(row.Workload[:1]) + row.Workload[1:] + "/peer=" + row.Peer
	if row.Variant != "" {
		name += "/variant=" + row.Variant
	}
	for _, n := range []struct {
		key string
		of  int
	}{{"conns", row.Conns}, {"channels", row.Channels}, {"depth", row.Depth}, {"size", row.Size}} {
		if n.of > 0 {
			name += fmt.Sprintf("/%s=%d", n.key, n.of)
		}
	}
	return strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r <= ' ' || r == ',' }), "_")
}

// benchUnit is the unit of benchstat for figures of a name, in seconds, bytes and operations, and what to multiply
// them by.
func benchUnit(name string) (unit string, by float64) {
	for _, u := range []struct {
		suffix, unit string
		by           float64
	}{
		{"mb_per_second", "B/s", 1e6}, {"_per_second", "/s", 1}, {"_s_per_million", "-sec/op", 1e-6},
		{"_s_per_gb", "-sec/B", 1e-9}, {"_ms", "-sec", 1e-3}, {"_mb", "-B", 1e6},
	} {
		if s, ok := strings.CutSuffix(name, u.suffix); ok {
			return strings.Join(strings.Fields(strings.ReplaceAll(s, "_", "-")), "") + u.unit, u.by
		}
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(name, "_", "-")), ""), 1
}

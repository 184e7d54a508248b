package report

import (
	_ "embed" // page.html
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sscd-io/sscd/bench"
)

//go:embed page.html
var pageText string

// page is what the template is given.
type page struct {
	*Report
	Style    template.CSS
	Pictures []picture
	Tiles    []tile
	Facts    [][2]string // of the first source's machine
}

// picture is a chart that is drawn.
type picture struct {
	*Chart
	SVG template.HTML
}

// WriteHTML writes the page. It needs no network and no script.
func (r *Report) WriteHTML(w io.Writer) error {
	p := page{Report: r, Tiles: r.tiles(), Facts: facts(&r.Sources[0].Results.Machine)}
	p.Style = template.CSS(":root{" + lightColours + "}@media(prefers-color-scheme:dark){:root{" + darkColours + "}}")
	for _, c := range r.Charts {
		svg, err := c.SVG(false)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Title, err)
		}
		p.Pictures = append(p.Pictures, picture{c, template.HTML(svg)}) // of our own making; its texts are escaped
	}
	t, err := template.New("page").Funcs(template.FuncMap{"digits": bench.Digits}).Parse(pageText)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, p); err != nil {
		return err
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// tile is a figure that stands above all.
type tile struct{ Figure, Unit, What string }

// tiles are the figures that the report has of those that stand for the engine.
func (r *Report) tiles() (all []tile) {
	for _, t := range []struct {
		workload, figure, unit, what string
		wanted                       func(*bench.Row) bool
	}{
		{"echo", bench.MessagesPerSecond, "messages/s", "echo, 1 x 100 x 16",
			func(r *bench.Row) bool { return r.Channels == 100 && r.Depth == 16 }},
		{"echo", bench.ServerPerMillion, "µs of server CPU", "per message, the same",
			func(r *bench.Row) bool { return r.Channels == 100 && r.Depth == 16 }},
		{"download", bench.MBPerSecond, "MB/s", "download, 16 channels",
			func(r *bench.Row) bool { return r.Channels == 16 }},
		{"urgent", bench.P99, "ms, p99", "an urgent message beside 16 downloads",
			func(r *bench.Row) bool { return strings.Contains(r.Variant, string(bench.BesideBulk)) }},
		{"idle", bench.BytesPerChannel, "bytes", "an idle channel", anyRow},
		{"open", bench.OpensPerSecond, "opens/s", "on one connection", anyRow},
	} {
		for _, s := range r.Sources {
			if f, ok := figureOf(s.Results.Rows, t.workload, t.figure, t.wanted); ok {
				all = append(all, tile{f, t.unit, t.what})
				break
			}
		}
	}
	return all
}

// figureOf is the median of the first row of ours that is wanted.
func figureOf(rows []bench.Row, workload, figure string, wanted func(*bench.Row) bool) (string, bool) {
	for i := range rows {
		r := &rows[i]
		if s, ok := r.Spread(figure); ok && r.Workload == workload && ours(r) && wanted(r) {
			return bench.Digits(s.Median), true
		}
	}
	return "", false
}

// facts are the machine's, by name.
func facts(m *bench.Machine) [][2]string {
	version := strings.TrimSpace(m.Version + " " + m.Revision)
	all := [][2]string{
		{"CPU", fmt.Sprintf("%d x %s", m.CPUs, m.CPU)}, {"virtual", fmt.Sprint(m.Virtual)}, {"governor", m.Governor},
		{"memory", fmt.Sprintf("%.1f GiB", float64(m.MemoryBytes)/(1<<30))}, {"kernel", m.OS + " " + m.Kernel},
		{"Go", m.Go}, {"sscd", version}, {"descriptors", fmt.Sprintf("%d, at most %d", m.NoFile[0], m.NoFile[1])},
		{"load before", m.Load},
	}
	for _, name := range slices.Sorted(maps.Keys(m.Mitigations)) {
		all = append(all, [2]string{name, m.Mitigations[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(m.Sysctls)) {
		all = append(all, [2]string{name, m.Sysctls[name]})
	}
	return all
}

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sscd-io/sscd/bench"
)

// write writes a variant's table.
func write(out io.Writer, o *options, v variant, rows []row) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	window := v.task(o).Settings.Window >> 10
	fmt.Fprintf(t, "%s;\n%d rounds of %v in turn: medians, lowest and highest; windows of %d KiB where fixed\n",
		v.title(o), o.rounds, o.Duration, window)
	fmt.Fprint(t, "peer")
	if v.mode == bench.Idle {
		fmt.Fprint(t, "\tstreams")
	}
	for _, name := range v.columns() {
		fmt.Fprint(t, "\t", bench.KindOf(name).Label())
	}
	fmt.Fprintln(t)
	for _, r := range rows {
		r.write(t, v)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.missing != "" {
			fmt.Fprintf(out, "%s: %s\n", r.Peer, oneLine(r.missing))
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// write writes the row's cells.
func (r *row) write(t io.Writer, v variant) {
	fmt.Fprint(t, r.Peer)
	if v.mode == bench.Idle {
		fmt.Fprint(t, "\t", bench.Thousands(r.Conns*r.Channels))
	}
	for _, name := range v.columns() {
		cell := "-"
		if s, ok := r.Spread(name); ok {
			cell = s.Text(decimals(s.Median))
		}
		fmt.Fprint(t, "\t", cell)
	}
	fmt.Fprintln(t)
}

// oneLine is s without what would end a row or a cell.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// decimals is how many a figure is told with.
func decimals(v float64) int {
	switch {
	case v >= 100:
		return 0
	case v >= 10:
		return 1
	case v >= 1:
		return 2
	}
	return 3
}

// missing are the reasons of rows without rounds, or with too few, by their keys.
func missing(rows []row) map[string]string {
	all := make(map[string]string)
	for _, r := range rows {
		if r.missing != "" {
			all[r.Key()] = r.missing
		}
	}
	return all
}

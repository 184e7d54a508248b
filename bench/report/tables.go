package report

import (
	"slices"

	"github.com/sscd-io/sscd/bench"
)

// Table is the figures of a workload.
type Table struct {
	Title  string
	Head   []string // of the columns that name a row, then of figures
	Labels int      // columns that name a row
	Rows   []TableRow
}

// TableRow is a row of a Table.
type TableRow struct {
	Labels []string
	Cells  []Cell
}

// Cell is a figure, or nothing.
type Cell struct {
	Known bool
	bench.Spread
}

// maxColumns of figures are in a table; what else is there is in the file of results.
const maxColumns = 9

// tables are one for each workload, in the order in which they come.
func tables(rows []bench.Row) (all []Table) {
	byWorkload := make(map[string][]bench.Row)
	var order []string
	for _, r := range rows {
		if byWorkload[r.Workload] == nil {
			order = append(order, r.Workload)
		}
		byWorkload[r.Workload] = append(byWorkload[r.Workload], r)
	}
	for _, workload := range order {
		all = append(all, tableOf(workload, byWorkload[workload]))
	}
	return all
}

// tableOf is the table of rows of a workload. A column that would be empty is left out.
func tableOf(workload string, rows []bench.Row) Table {
	t := Table{Title: short(workload)}
	labels := []struct {
		head string
		of   func(*bench.Row) string
	}{
		{"connections x channels x depth", func(r *bench.Row) string { return r.Shape() }},
		{"peer", func(r *bench.Row) string { return short(r.Peer) }},
		{"variant", func(r *bench.Row) string { return short(r.Variant) }},
	}
	if one := func(r bench.Row) bool { return r.Peer == bench.OurPeer }; !slices.ContainsFunc(rows, not(one)) {
		labels = slices.Delete(labels, 1, 2)
	}
	for _, l := range labels {
		t.Head = append(t.Head, l.head)
	}
	t.Labels = len(labels)
	names := columns(rows)
	for _, name := range names {
		t.Head = append(t.Head, bench.KindOf(short(name)).Label())
	}
	for i := range rows {
		var row TableRow
		for _, l := range labels {
			row.Labels = append(row.Labels, l.of(&rows[i]))
		}
		for _, name := range names {
			s, ok := rows[i].Spread(name)
			row.Cells = append(row.Cells, Cell{ok, s})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func not(f func(bench.Row) bool) func(bench.Row) bool { return func(r bench.Row) bool { return !f(r) } }

// columns are the names of the figures that a table has: those that are better or worse, then others, while there
// is room.
func columns(rows []bench.Row) []string {
	var all bench.Row
	for _, r := range rows {
		all.Rounds = append(all.Rounds, r.Rounds...)
	}
	names := all.Names()
	neutral := func(name string) bool { return bench.KindOf(name).Better == bench.Neutral }
	chosen := slices.DeleteFunc(slices.Clone(names), neutral)
	for _, name := range names {
		if neutral(name) && len(chosen) < maxColumns {
			chosen = append(chosen, name)
		}
	}
	return chosen[:min(len(chosen), maxColumns)]
}

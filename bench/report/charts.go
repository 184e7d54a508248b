package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sscd-io/sscd/bench"
)

// charts are the charts that the rows have figures for.
func charts(rows []bench.Row) (all []*Chart) {
	add := func(c *Chart) {
		if c != nil {
			all = append(all, c)
		}
	}
	add(percentiles(rows))
	add(byChannels(rows, bench.MessagesPerSecond, "throughput", "Throughput against channels",
		"messages per second", 1))
	add(byChannels(rows, bench.ServerPerMillion, "cpu-channels", "Server CPU against channels",
		"server CPU, µs per message", 1)) // seconds a million are microseconds each
	for _, c := range besidePeers(rows, bench.ServerPerMillion, "server CPU, µs per message") {
		add(c)
	}
	add(urgentLatency(rows))
	for _, c := range besidePeers(rows, bench.ServerPerGB, "server CPU, s per GB") {
		add(c)
	}
	for _, c := range besidePeers(rows, bench.BothPerGB, "CPU of both sides, s per GB") {
		add(c)
	}
	add(bars(rows, "bulk", "Bulk throughput", "MB per second", bench.MBPerSecond, isBulk))
	add(bars(rows, "memory-channels", "Memory of an idle channel", "bytes of the server's memory per channel",
		bench.BytesPerChannel, anyRow))
	add(bars(rows, "memory-conns", "Memory of an idle connection", "bytes of the server's memory per connection",
		bench.BytesPerConn, anyRow))
	add(bars(rows, "opens", "Channels opened and closed", "per second", bench.OpensPerSecond, anyRow))
	add(bars(rows, "fanout", "A message for all: server CPU", "µs per channel and message", bench.ServerPerMillion,
		func(r *bench.Row) bool { return r.Workload == string(bench.Fanout) }))
	return all
}

func anyRow(*bench.Row) bool { return true }

func isBulk(r *bench.Row) bool {
	return r.Workload == string(bench.Download) || r.Workload == string(bench.Upload)
}

// ours are the rows of this engine, with callbacks or with streams.
func ours(r *bench.Row) bool { return strings.HasPrefix(r.Peer, bench.OurPeer) || r.Peer == "streams" }

// percentiles is the chart of latencies: of our echoes on epoll, or whatever else of ours has them.
func percentiles(rows []bench.Row) *Chart {
	names := []string{bench.P50, bench.P90, bench.P99, bench.P999}
	c := &Chart{
		Name: "latency", Title: "Latency percentiles",
		X:    Axis{Label: "percentile", Names: []string{"50", "90", "99", "99.9"}},
		Y:    Axis{Label: "round trip, ms", Log: true},
		Note: "Echo of 64 bytes: connections x channels x messages under way on each.",
	}
	seen := make(map[string]bool)
	for i := range rows {
		r := &rows[i]
		if r.Workload != string(bench.Echo) || !ours(r) || seen[r.Shape()] || sweepOnly(r) {
			continue // epoll comes first
		}
		seen[r.Shape()] = true
		line := Line{Name: short(r.Shape())}
		for x, name := range names {
			if s, ok := r.Spread(name); ok && can(s) {
				line.Points = append(line.Points, Point{float64(x), s.Median, s.Low, s.High})
			}
		}
		if len(line.Points) > 1 {
			c.Lines = append(c.Lines, line)
		}
	}
	return c.orNil()
}

// sweepOnly tells whether a row is there for what channels cost: one of many with one message on each.
func sweepOnly(r *bench.Row) bool {
	return r.Conns == 1 && r.Depth == 1 && r.Channels != 1 && r.Channels != 10_000
}

// orNil returns the chart if it has lines, not too many.
func (c *Chart) orNil() *Chart {
	if len(c.Lines) == 0 {
		return nil
	}
	c.Lines = c.Lines[:min(len(c.Lines), maxLines)]
	return c
}

// byChannels is the chart of a figure of echoes on one connection, one message at a time on each channel.
func byChannels(rows []bench.Row, figure, name, title, label string, scale float64) *Chart {
	lines, theirs := make(map[string][]Point), make(map[string]bool)
	var order []string
	for i := range rows {
		r := &rows[i]
		s, ok := r.Spread(figure)
		if r.Workload != string(bench.Echo) || r.Conns > 1 || r.Depth != 1 || r.Channels < 1 ||
			r.Variant == "coalesced" || !ok || !can(s) {
			continue
		}
		key := who(r)
		if lines[key] == nil {
			order, theirs[key] = append(order, key), !ours(r)
		}
		lines[key] = append(lines[key], Point{float64(r.Channels), s.Median * scale, s.Low * scale, s.High * scale})
	}
	c := &Chart{
		Name: name, Title: title,
		X: Axis{Label: "channels on one connection", Log: true}, Y: Axis{Label: label, Log: true},
		Note: "Echo of 64 bytes, one message under way on each channel.",
	}
	for _, key := range order {
		points := lines[key]
		slices.SortFunc(points, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
		if len(points) > 1 {
			c.Lines = append(c.Lines, Line{short(key), points, theirs[key]})
		}
	}
	return c.orNil()
}

// who is what was measured, without what it did.
func who(r *bench.Row) string {
	if r.Variant == "" {
		return r.Peer
	}
	return r.Peer + ", " + r.Variant
}

// besidePeers are charts of a figure, one for each workload and shape that several peers have.
func besidePeers(rows []bench.Row, figure, label string) (all []*Chart) {
	type group struct {
		title string
		bars  []Bar
		peers map[string]bool
	}
	groups := make(map[string]*group)
	var order []string
	for i := range rows {
		r := &rows[i]
		s, ok := r.Spread(figure)
		if !ok || !can(s) {
			continue
		}
		key := r.Workload + " " + r.Shape()
		g := groups[key]
		if g == nil {
			g = &group{title: strings.TrimSpace(key), peers: make(map[string]bool)}
			groups[key], order = g, append(order, key)
		}
		g.peers[r.Peer] = true
		g.bars = append(g.bars, Bar{short(who(r)), s, ours(r)})
	}
	for _, key := range order {
		g := groups[key]
		if len(g.peers) < 2 {
			continue
		}
		slices.SortStableFunc(g.bars, func(a, b Bar) int { return cmp.Compare(a.Median, b.Median) })
		name := "peers-" + figure + "-" + key
		if c := newBars(fileName(name), "Beside others: "+short(g.title), label, "Less is better.", g.bars); c != nil {
			all = append(all, c)
		}
	}
	return all
}

// urgentLatency is the chart of the 99th percentile of short messages beside downloads.
func urgentLatency(rows []bench.Row) *Chart {
	c := bars(rows, "urgent", "Short messages beside downloads", "p99 of the round trip, ms", bench.P99,
		func(r *bench.Row) bool {
			return r.Workload == string(bench.Urgent) && !(r.Variant == string(bench.Alone) && !ours(r))
		})
	if c != nil {
		c.Note = "One message at a time on one channel, beside others of the connection that download. Less is better."
	}
	return c
}

// bars is the chart of a figure of all rows that are wanted and have it: those that did the same beside each other, and
// of these the best first.
func bars(rows []bench.Row, name, title, label, figure string, wanted func(*bench.Row) bool) *Chart {
	type group struct {
		what string
		bars []Bar
	}
	var groups []*group
	better := bench.KindOf(figure).Better
	for i := range rows {
		r := &rows[i]
		s, ok := r.Spread(figure)
		if !wanted(r) || !ok || !can(s) {
			continue
		}
		what := r.Shape()
		if isBulk(r) {
			what = r.Workload + " " + what
		}
		at := slices.IndexFunc(groups, func(g *group) bool { return g.what == what })
		if at < 0 {
			at, groups = len(groups), append(groups, &group{what: what})
		}
		groups[at].bars = append(groups[at].bars, Bar{who(r), s, ours(r)})
	}
	var all []Bar
	for _, g := range groups {
		slices.SortStableFunc(g.bars, func(a, b Bar) int { return cmp.Compare(a.Median, b.Median) })
		if better == bench.Higher {
			slices.Reverse(g.bars)
		}
		for _, b := range g.bars {
			if len(groups) > 1 {
				b.Name = g.what + ", " + b.Name
			}
			b.Name = short(b.Name)
			all = append(all, b)
		}
	}
	note := map[bench.Better]string{bench.Lower: "Less is better.", bench.Higher: "More is better."}[better]
	if len(groups) == 1 && groups[0].what != "" {
		note = short(groups[0].what) + ". " + note
	}
	return newBars(name, title, label, note, all)
}

// fileName makes a name that any file may have.
func fileName(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	name := strings.Join(words, "-")
	return name[:min(len(name), 80)]
}

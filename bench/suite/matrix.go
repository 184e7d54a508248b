package suite

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// entry is a line of the matrix.
type entry struct {
	bench.Options
	backends []engine.Backend // of the server; stall has each in turn by itself
}

var (
	both   = engine.Backends()
	epoll  = []engine.Backend{engine.Epoll}
	either = []engine.Backend{engine.Auto}
)

// matrix is what is measured. Echoes one at a time on a connection with ever more channels show what a channel
// costs while it has little to do.
func matrix() []entry {
	e := func(m bench.Mode, conns, channels, depth int, backends []engine.Backend) entry {
		o := bench.Defaults(m)
		o.Conns, o.Channels, o.Depth = conns, channels, depth
		return entry{o, backends}
	}
	all := []entry{
		e(bench.Echo, 1, 1, 1, both),
		e(bench.Echo, 1, 10, 1, epoll),
		e(bench.Echo, 1, 100, 1, epoll),
		e(bench.Echo, 1, 1_000, 1, epoll),
		e(bench.Echo, 1, 10_000, 1, both),
		e(bench.Echo, 1, 100_000, 1, epoll),
		e(bench.Echo, 1, 100, 16, both),
		e(bench.Echo, 1_000, 10, 1, both),
		e(bench.Download, 1, 1, 1, epoll),
		e(bench.Download, 1, 16, 1, both),
		e(bench.Upload, 1, 1, 1, epoll),
		e(bench.Upload, 1, 16, 1, both),
		e(bench.Open, 1, 1, 16, both),
		e(bench.Idle, 1, 100_000, 1, both),
		e(bench.Idle, 1, 1_000_000, 1, epoll),
		e(bench.Idle, 10_000, 1, 1, both),
	}
	for i := range all {
		if all[i].Mode == bench.Upload {
			all[i].Size = 16 << 10
		}
	}
	for _, c := range []struct {
		mode     bench.Mode
		backends []engine.Backend
	}{{bench.Urgent, epoll}, {bench.Fair, epoll}, {bench.File, epoll}, {bench.Fanout, epoll}, {bench.Stall, either}} {
		all = append(all, entry{bench.Defaults(c.mode), c.backends})
	}
	return all
}

// name is the entry's, for --only and for people.
func (e *entry) name() string {
	if slices.Contains(bench.Comparisons, e.Mode) {
		return string(e.Mode)
	}
	if e.Mode == bench.Echo {
		return fmt.Sprintf("%s-%dx%dx%d", e.Mode, e.Conns, e.Channels, e.Depth)
	}
	if e.Mode == bench.Open {
		return string(e.Mode)
	}
	return fmt.Sprintf("%s-%dx%d", e.Mode, e.Conns, e.Channels)
}

// Names lists the names of what can be measured.
func Names() (names []string) {
	for _, e := range matrix() {
		names = append(names, e.name())
	}
	return names
}

// chosen returns the entries that the options want, with their options.
func (o *Options) chosen() ([]entry, error) {
	used := make(map[string]bool)
	seen := make(map[string]bool)
	var entries []entry
	for _, e := range matrix() {
		wanted := len(o.Only) == 0 && (!o.Quick || e.Channels < 1_000_000)
		for _, name := range o.Only {
			if name == e.name() || name == string(e.Mode) {
				wanted, used[name] = true, true
			}
		}
		if wanted {
			o.adapt(&e)
			if !seen[e.name()] {
				entries = append(entries, e)
			}
			seen[e.name()] = true
		}
	}
	for _, name := range o.Only {
		if !used[name] {
			return nil, fmt.Errorf("there is no %q; there are, and their modes: %s", name, strings.Join(Names(), " "))
		}
	}
	return entries, nil
}

// adapt makes the entry one round, as long and as large as wanted.
func (o *Options) adapt(e *entry) {
	e.Duration, e.Warmup = o.Duration, o.Warmup
	if e.Rounds > 0 {
		e.Rounds = 1
	}
	if o.Quick {
		e.FileBytes = min(e.FileBytes, 32<<20)
	}
	if o.Most > 0 {
		e.Conns, e.Channels = min(e.Conns, o.Most), min(e.Channels, o.Most)
		e.FileBytes, e.Settle = min(e.FileBytes, 1<<20), o.Duration
	}
	e.Client.Backend = bench.ClientBackend(e.Conns)
}

// startTime is about what processes, connections and channels take to start.
const startTime = 300 * time.Millisecond

// cost is about how long a round takes with one backend.
func (e *entry) cost() time.Duration {
	parts := map[bench.Mode]int{bench.Urgent: 3, bench.Fair: 3, bench.File: 4, bench.Fanout: 2, bench.Stall: 4}
	n := max(1, parts[e.Mode])
	if e.Mode == bench.Idle && e.Settle == 0 {
		return startTime + 2*time.Second + time.Duration(e.Conns*e.Channels)*3*time.Microsecond
	}
	start := startTime + time.Duration(e.Conns*e.Channels)*3*time.Microsecond
	return start + time.Duration(n)*(e.Duration+e.Warmup)
}

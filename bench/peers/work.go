package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sscd-io/sscd/bench"
)

// variant is a work with its numbers.
type variant struct {
	mode     bench.Mode
	load     bench.UrgentLoad
	conns    int
	channels int // streams of each
	depth    int
	coalesce bool
}

// works are what can be measured, by name, with the variants that are measured unless numbers are given.
func works() map[string][]variant {
	return map[string][]variant{
		"echo": {
			{bench.Echo, "", 1, 1, 16, false}, {bench.Echo, "", 1, 100, 16, false},
			{bench.Echo, "", 1, 10_000, 1, false},
			{bench.Echo, "", 1, 1, 16, true}, {bench.Echo, "", 1, 100, 16, true},
		},
		"bulk": {
			{bench.Download, "", 1, 1, 1, false}, {bench.Download, "", 1, 16, 1, false},
			{bench.Upload, "", 1, 1, 1, false}, {bench.Upload, "", 1, 16, 1, false},
		},
		"idle":  {{bench.Idle, "", 1, 100_000, 1, false}, {bench.Idle, "", 1, 1_000_000, 1, false}},
		"conns": {{bench.Idle, "", 10_000, 1, 1, false}},
		"many":  {{bench.Echo, "", 1000, 10, 1, false}},
		"urgent": {
			{bench.Urgent, bench.Alone, 1, 16, 1, false}, {bench.Urgent, bench.BesideEqual, 1, 16, 1, false},
			{bench.Urgent, bench.BesideBulk, 1, 16, 1, false},
		},
		"open":   {{bench.Open, "", 1, 1, 16, false}},
		"file":   {{bench.File, "", 1, 4, 1, false}},
		"fanout": {{bench.Fanout, "", 1, 1000, 1, false}, {bench.Fanout, "", 10, 1000, 1, false}},
	}
}

// allWorks are their names in the order in which they are measured.
var allWorks = []string{"echo", "bulk", "idle", "conns", "many", "urgent", "open", "file", "fanout"}

// variantsOf returns the variants of works, by comma, with the numbers that change gives them.
func variantsOf(names string, change func(*variant)) (all []variant, err error) {
	chosen := strings.Split(names, ",")
	if names == "all" {
		chosen = allWorks
	}
	for _, name := range chosen {
		variants, ok := works()[name]
		if !ok {
			return nil, fmt.Errorf("no work %q; there are %s, and all", name, strings.Join(allWorks, ", "))
		}
		for _, v := range variants {
			if change(&v); !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all, nil
}

// title says what is measured.
func (v variant) title(o *options) string {
	on := fmt.Sprintf("%s x %s streams", count(v.conns, "connection"), bench.Thousands(v.channels))
	switch v.mode {
	case bench.Echo:
		how := "one write each"
		if v.coalesce {
			how = "those of a stream that may be sent together in one write"
		}
		return fmt.Sprintf("echo: %s x %d messages of %d bytes, %s", on, v.depth, o.Size, how)
	case bench.Idle:
		return fmt.Sprintf("idle: %s, fewer where the peer is not up to it", on)
	case bench.Urgent:
		return fmt.Sprintf("urgent: messages of %d bytes one at a time, %s (%d downloads)", o.Size, v.load, v.channels)
	case bench.Open:
		return fmt.Sprintf("open: streams opened and closed, %d at a time on each of %s", v.depth,
			count(v.conns, "connection"))
	case bench.Fanout:
		return fmt.Sprintf("fanout: a message of %d bytes to %s, again when all have it", o.Size, on)
	}
	return fmt.Sprintf("%s: %s", v.mode, on)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return bench.Thousands(n) + " " + what
}

// columns are the figures in the table.
func (v variant) columns() []string {
	switch v.mode {
	case bench.Download, bench.Upload, bench.File:
		return []string{bench.MBPerSecond, bench.ServerPerGB, bench.BothPerGB, bench.PeakRSS}
	case bench.Idle:
		if v.channels == 1 {
			return []string{bench.BytesPerConn, bench.ChannelsOpened, bench.ServerRSS}
		}
		return []string{bench.BytesPerChannel, bench.ChannelsOpened, bench.ServerRSS}
	case bench.Urgent:
		return []string{bench.P50, bench.P99, bench.Max, bench.MBPerSecond, bench.ServerPerGB, bench.BothPerGB}
	case bench.Fanout:
		return []string{bench.MessagesPerSecond, bench.ServerPerMillion, bench.ClientPerMillion, bench.AllocsPerMsg,
			bench.SwitchesPerMsg, bench.PeakRSS}
	case bench.Open:
		return []string{bench.OpensPerSecond, bench.P50, bench.P99, bench.ServerPerMillion, bench.ClientPerMillion,
			bench.AllocsPerMsg, bench.SwitchesPerMsg}
	}
	return []string{bench.MessagesPerSecond, bench.P50, bench.P99, bench.ServerPerMillion, bench.ClientPerMillion,
		bench.AllocsPerMsg, bench.SwitchesPerMsg, bench.PeakRSS}
}

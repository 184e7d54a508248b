//go:build linux

package epollio

import (
	"fmt"
	"strings"
	"testing"
)

// Each batch reports all heavy connections, as epoll does for those that have more to read.
func TestHeavyConnectionsTakeTurns(t *testing.T) {
	for _, c := range []struct {
		conns, batches int
		want           string // who is served, by batch
	}{
		{0, 1, ""},
		{1, 3, "0|0|0"},       // alone it waits for nobody
		{2, 6, "0|1|0|1|0|1"}, // few: one a batch
		{3, 4, "0|1|2|0"},     //
		{64, 3, "0|1|2"},      // many: one for every 64 events
		{65, 4, "0|1|2|3"},    //
		{160, 4, "0 1|2 3 4|5 6|7 8 9"},
	} {
		var h heavy
		conns := make([]*conn, c.conns)
		for i := range conns {
			conns[i] = new(conn)
			h.note(conns[i], true)
		}
		number := make(map[*conn]int)
		for i, c := range conns {
			number[c] = i
		}
		var order []string
		for range c.batches {
			var served []string
			for _, c := range conns {
				if who := h.turn(c); who != nil {
					served = append(served, fmt.Sprint(number[who]))
				}
			}
			order = append(order, strings.Join(served, " "))
		}
		if got := strings.Join(order, "|"); got != c.want {
			t.Errorf("%d connections: %s, want %s", c.conns, got, c.want)
		}
	}
}

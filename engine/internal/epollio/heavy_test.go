//go:build linux

package epollio

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
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

// Whom the poller does not report any more is not waited for: one that filled each of its reads, and rests.
func TestWhoRestsIsNotHeavy(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	p, other := evlooptest.Pair(t), evlooptest.Pair(t)
	defer unix.Close(p[1])
	defer unix.Close(other[1])
	m := r.Attach(l, p[0])
	r.Attach(l, other[0])
	c := connOf(m)
	waste := append(evlooptest.Opens(1), bytes.Repeat(evlooptest.Frame(200, 0, nil), 1<<15)...)
	rounds := 0
	for ; !c.deaf && rounds < 100; rounds++ {
		n, _ := unix.Write(p[1], waste) // as much as the socket takes: more than is read at once
		waste = waste[max(n, 0):]
		l.event(m.FD, unix.EPOLLIN, 0)
		if heavy := l.heavy.n == 1; heavy == c.deaf {
			t.Errorf("in round %d it is deaf: %v, and heavy: %v", rounds, c.deaf, heavy)
		}
	}
	if !c.deaf || rounds < 2 {
		t.Errorf("deaf: %v, after %d rounds", c.deaf, rounds)
	}
}

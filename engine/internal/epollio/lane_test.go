//go:build linux

package epollio

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
)

// little is a frame that nobody answers.
var little = evlooptest.Grant(1, 1024)

// laneRig is a loop that is not run, with connections that have much to read.
type laneRig struct {
	t     *testing.T
	l     *Loop
	conns []*conn
	peers []int
}

// newLaneRig returns one whose connections had a turn each, and are heavy by that.
func newLaneRig(t *testing.T, conns int) *laneRig {
	r := newRig(t, 1)
	lr := &laneRig{t: t, l: r.loops[0]}
	much := append(evlooptest.Opens(1), bytes.Repeat(little, 3000)...)
	for range conns {
		p := evlooptest.Pair(t)
		t.Cleanup(func() { unix.Close(p[1]) })
		lr.conns, lr.peers = append(lr.conns, connOf(r.Attach(lr.l, p[0]))), append(lr.peers, p[1])
	}
	for i, c := range lr.conns {
		if n, err := unix.Write(lr.peers[i], much); n != len(much) {
			t.Fatal(n, err)
		}
		if lr.l.event(c.FD(), unix.EPOLLIN, 0); !c.heavy {
			t.Fatalf("connection %d read %d bytes, and is not heavy", i, len(much)-lr.unread(i))
		}
	}
	return lr
}

// unread is how many bytes wait on connection i.
func (r *laneRig) unread(i int) int {
	n, err := unix.IoctlGetInt(r.conns[i].FD(), unix.TIOCINQ)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// visit serves the lane, and returns the numbers of those who had a turn.
func (r *laneRig) visit() (served string) {
	before := make([]int, len(r.conns))
	for i := range r.conns {
		before[i] = r.unread(i)
	}
	r.l.serveLane()
	for i := range r.conns {
		if r.unread(i) < before[i] {
			served += fmt.Sprint(i)
		}
	}
	return served
}

// reported is what the poller reports now.
func (r *laneRig) reported() (fds []int) {
	var events [16]unix.EpollEvent
	n, err := unix.EpollWait(epollDescriptor(r.l), events[:], 0)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, ev := range events[:n] {
		fds = append(fds, int(ev.Fd))
	}
	return fds
}

// Heavy connections take turns: some at a time, and one while somebody else talks.
func TestHeavyConnectionsTakeTurns(t *testing.T) {
	r := newLaneRig(t, 6)
	if first, second := r.visit(), r.visit(); first != "0123" || second != "0145" {
		t.Errorf("served: %s, then %s", first, second)
	}
	r.l.lane.talked = time.Hour
	for _, want := range []string{"2", "3", "4", "5", "0"} {
		if got := r.visit(); got != want {
			t.Errorf("while others talk %s is served, want %s", got, want)
		}
	}
	r.l.lane.n = 3 * laneShare
	if got := r.visit(); got != "123" {
		t.Errorf("while others talk, and many are heavy, %s are served, want three", got)
	}
	r.l.lane.n = len(r.conns)
}

// Who became ready during a turn in the lane is reported before it.
func TestOthersComeBeforeTheLane(t *testing.T) {
	r := newLaneRig(t, 2)
	light := evlooptest.Pair(t)
	defer unix.Close(light[0])
	defer unix.Close(light[1])
	r.l.watch(light[0], func() {})
	r.reported()
	unix.Write(light[1], []byte("x"))
	r.visit()
	if got, want := r.reported(), []int{light[0], r.l.lane.fd}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("descriptors %d are reported, want %d", got, want)
	}
	delete(r.l.handle, light[0])
}

// Who has had little to do for a while is reported by the poller again, and so is who is left alone.
func TestHeavyConnectionsCalmDown(t *testing.T) {
	r := newLaneRig(t, 3)
	for i := range r.conns {
		for r.unread(i) > 0 {
			r.visit()
		}
	}
	for i, c := range r.conns {
		c.long = uint32(r.l.Loop.Since()/time.Millisecond) + 100_000
		if i == 0 {
			c.long -= 100_000 + calmMS
		}
		unix.Write(r.peers[i], little)
	}
	if r.visit(); r.conns[0].heavy || !r.conns[1].heavy || !r.conns[2].heavy || r.l.lane.n != 2 {
		t.Errorf("heavy: %v, %v, %v; %d are", r.conns[0].heavy, r.conns[1].heavy, r.conns[2].heavy, r.l.lane.n)
	}
	unix.Write(r.peers[0], little)
	if got := r.reported(); !slices.Contains(got, r.conns[0].FD()) {
		t.Errorf("descriptors %d are reported, not %d", got, r.conns[0].FD())
	}
	for _, i := range []int{0, 1} {
		unix.Write(r.peers[i], little)
		r.conns[i].Conn.Abort(core.End{})
		r.l.event(r.conns[i].FD(), unix.EPOLLIN, 0)
	}
	unix.Write(r.peers[2], little)
	if r.l.serveLane(); r.conns[2].heavy || r.l.lane.n != 0 {
		t.Errorf("alone it is heavy: %v; %d are", r.conns[2].heavy, r.l.lane.n)
	}
}

// The lane reports who has more to read, but not who rests; who is alone is not in it.
func TestWhoRestsIsNotReported(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	p, other := evlooptest.Pair(t), evlooptest.Pair(t)
	defer unix.Close(p[1])
	defer unix.Close(other[1])
	m := r.Attach(l, p[0])
	c := connOf(m)
	unix.Write(p[1], append(evlooptest.Opens(1), bytes.Repeat(little, 1000)...))
	if l.event(m.FD, unix.EPOLLIN, 0); c.heavy {
		t.Error("alone it is heavy")
	}
	r.Attach(l, other[0])
	waste := bytes.Repeat(evlooptest.Frame(200, 0, nil), 1<<15)
	unix.Write(p[1], waste[:16*400])
	if l.event(m.FD, unix.EPOLLIN, 0); !c.heavy {
		t.Error("beside another it is not heavy")
	}
	for round := 0; !c.deaf && round < 100; round++ {
		n, _ := unix.Write(p[1], waste) // as much as the socket takes: more than is read at once
		waste = waste[max(n, 0):]
		if got := l.lane.wait(laneTurns); len(got) != 1 {
			t.Errorf("in round %d the lane reports %v", round, got)
		}
		c.ready(unix.EPOLLIN)
	}
	if got := l.lane.wait(laneTurns); !c.deaf || len(got) > 0 {
		t.Errorf("it rests: %v; the lane reports %v", c.deaf, got)
	}
}

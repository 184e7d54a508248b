//go:build linux

package epollio

import (
	"os"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

const (
	// heavyRead and heavySent are from how many bytes read, or sent, in a turn a connection is heavy, and calmMS is for
	// how many milliseconds after that it is.
	heavyRead = 2 << 10
	heavySent = 16 << 10
	calmMS    = 10

	// laneTurns is how many heavy connections are served at a time while no other talks: asking for each costs 100
	// connections with short turns a tenth more. While one talks it is one of laneShare, or one.
	laneTurns = 4
	laneShare = 64

	// talkTime is how long a connection that is not heavy talks after a turn.
	talkTime = time.Millisecond
)

// lane is the heavy connections. Who has little to do does not wait for those: the poller reports them as one
// descriptor, an epoll set that it has in its own, and one of them is served, reading half of what it might, before the
// poller looks again; some if nobody else talks. They take turns, as the kernel has them in the order in which they
// became ready.
type lane struct {
	fd     int
	n      int           // how many are in it
	talked time.Duration // when another connection last had a turn, in the loop's time
	brief  bool          // turns are to be short: another connection talks
	events [64]unix.EpollEvent
}

// openLane makes the loop's lane.
func (l *Loop) openLane() (err error) {
	l.lane.talked = -talkTime
	if l.lane.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	l.handle[l.lane.fd] = l.serveLane
	return l.poller.AddRead(&netpoll.PollAttachment{FD: l.lane.fd}, true)
}

// serveLane gives heavy connections their turns. Then it has the poller report the lane, if any are left, behind those
// that became ready meanwhile: before more came for the lane, for that makes the poller note it at once.
func (l *Loop) serveLane() {
	n := laneTurns
	if l.lane.brief = l.Loop.Since()-l.lane.talked < talkTime; l.lane.brief {
		n = max(1, l.lane.n/laneShare)
	}
	for _, ev := range l.lane.wait(min(n, len(l.lane.events))) {
		if c := l.conns[ev.Fd]; c != nil { // who was before may have closed it
			c.ready(ev.Events)
			l.report()
		}
	}
	l.lane.brief = false
	if err := l.poller.ModRead(&netpoll.PollAttachment{FD: l.lane.fd}, true); err != nil {
		panic(err) // it is there
	}
}

// wait returns up to n of the connections that are ready.
func (h *lane) wait(n int) []unix.EpollEvent {
	got, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(h.fd), uintptr(unsafe.Pointer(&h.events[0])),
		uintptr(n), 0, 0, 0)
	if errno != 0 { // EINTR: the lane is still ready
		return nil
	}
	return h.events[:got]
}

// watch has the lane report fd for want, where it was for have.
func (h *lane) watch(fd int, have, want interest) error {
	op := unix.EPOLL_CTL_MOD
	switch {
	case have == 0:
		op = unix.EPOLL_CTL_ADD
	case want == 0:
		op = unix.EPOLL_CTL_DEL
	}
	ev := unix.EpollEvent{Fd: int32(fd)}
	if want&readable != 0 {
		ev.Events |= netpoll.ReadEvents
	}
	if want&writable != 0 {
		ev.Events |= netpoll.WriteEvents
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(h.fd, op, fd, &ev))
}

// weigh takes note of a turn of c in which so much was read and sent, and moves c into the lane or out of it. One that
// is alone need not be there.
func (c *conn) weigh(read, sent int) {
	alone := c.l.Loop.Stats.Conns.Load() == 1
	long := read >= heavyRead || sent >= heavySent
	now := uint32(c.l.Loop.Now() / time.Millisecond) // which may pass its end
	if long {
		c.long = now
	}
	switch {
	case !c.heavy:
		if long && !alone {
			c.move(true)
		}
	case alone || int32(now-c.long) >= calmMS:
		c.move(false)
	}
	if !c.heavy {
		c.l.lane.talked = c.l.Loop.Now()
	}
}

// move has c reported by the lane or by the poller.
func (c *conn) move(heavy bool) {
	want := c.interest
	c.watch(0)
	if c.heavy = heavy; heavy {
		c.l.lane.n++
	} else {
		c.l.lane.n--
	}
	c.watch(want)
}

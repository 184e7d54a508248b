package bench

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// laneBytes is how much a lane holds, which is what it can have under way: twice the largest window, so
	// that it delays and does not limit. Beyond it, it reads no more, and counts that.
	laneBytes = 32 << 20

	// laneReads is how many reads a lane holds: a read of a few bytes has a time too. Beyond it, the same.
	laneReads = 1 << 16

	// laneRead is the most that is read at once, in bytes.
	laneRead = 256 << 10

	// lineQueue is how long bytes may wait for their turn on a line with a rate, before those who send are held up:
	// about what routers queue.
	lineQueue = 20 * time.Millisecond

	// lineStep is how long bytes take, at most, that a line with a rate takes at once: so far their times are told
	// apart.
	lineStep = time.Millisecond

	// laneNap is how long a lane sleeps at once, so that it learns in time that it is to end.
	laneNap = 50 * time.Millisecond
)

// lane is one direction of a relay: a ring of bytes, and when each of them is to leave.
type lane struct {
	line  Line
	full  *atomic.Int64 // counts that there was no room
	ring  []byte
	holds int64     // bytes, at most
	step  int       // bytes that are read at once, at most
	free  time.Time // when the line has taken all that was read; used by read alone

	mu      sync.Mutex
	changed sync.Cond
	in, out int64   // bytes that came, and that left
	due     []stamp // ring: the reads whose bytes wait
	first   int     // of due
	n       int     // of due: how many
	ended   bool    // nothing more comes, or nothing more leaves
	lost    bool    // what is left does not leave either
}

// stamp says when the bytes before end are to leave.
type stamp struct {
	end int64
	at  time.Time
}

func newLane(line Line, full *atomic.Int64) *lane {
	l := &lane{
		line: line, full: full, holds: laneBytes, step: laneRead,
		ring: make([]byte, laneBytes), due: make([]stamp, laneReads),
	}
	if line.Rate > 0 {
		l.step = int(min(max(line.Rate*lineStep.Seconds(), 1<<10), laneRead))
		l.holds = min(int64(line.Rate*(line.RTT/2+lineQueue).Seconds())+int64(l.step), laneBytes)
	}
	l.changed.L = &l.mu
	return l
}

// leaves returns when n bytes are to leave that came now. It is a token bucket that holds no tokens: each byte takes
// its time, and those behind wait for it.
func (l *lane) leaves(n int, now time.Time) time.Time {
	if l.line.Rate > 0 {
		if l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(time.Duration(float64(n) / l.line.Rate * float64(time.Second)))
		now = l.free
	}
	return now.Add(l.line.RTT / 2)
}

// carry moves bytes from one connection to the other until either ends.
func (l *lane) carry(from, to *net.TCPConn) {
	var writer sync.WaitGroup
	writer.Go(func() {
		l.write(to)
		l.end(true)
		from.CloseRead() // which ends read, if that has not ended before
	})
	err := l.read(from)
	l.end(err != io.EOF)
	writer.Wait()
	to.CloseWrite()
}

// end ends the lane. What is in it still leaves, unless it is lost.
func (l *lane) end(lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.lost = l.lost || lost
	l.changed.Broadcast()
}

// read fills the ring and returns why there is no more to fill it with.
func (l *lane) read(from io.Reader) error {
	for {
		room := l.room()
		if room == nil {
			return io.EOF
		}
		n, err := from.Read(room)
		at := l.leaves(n, time.Now())
		l.mu.Lock()
		if n > 0 {
			l.in += int64(n)
			l.due[(l.first+l.n)%laneReads] = stamp{l.in, at}
			l.n++
			l.changed.Broadcast()
		}
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// room waits for a free piece of the ring, and returns nil if the lane has ended.
func (l *lane) room() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := func() bool { return l.in-l.out >= l.holds || l.n == laneReads }
	if l.line.Rate == 0 && full() {
		l.full.Add(1)
	}
	for !l.ended && full() {
		l.changed.Wait()
	}
	if l.ended {
		return nil
	}
	at := int(l.in % laneBytes)
	return l.ring[at:min(at+l.step, at+int(l.holds-(l.in-l.out)), laneBytes)]
}

// write empties the ring of what is due.
func (l *lane) write(to io.Writer) {
	napper := newNapper()
	for {
		at, ok := l.next()
		if !ok {
			return
		}
		if wait := time.Until(at); wait > 0 {
			napper.nap(min(wait, laneNap))
			continue
		}
		for end := l.ripe(); l.out < end; {
			from := int(l.out % laneBytes)
			n, err := to.Write(l.ring[from:min(from+int(end-l.out), laneBytes)])
			if err != nil {
				return
			}
			l.mu.Lock()
			l.out += int64(n)
			l.changed.Broadcast()
			l.mu.Unlock()
		}
	}
}

// next waits for the next time that bytes are to leave. It returns false when nothing more comes.
func (l *lane) next() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.n == 0 && !l.ended {
		l.changed.Wait()
	}
	if l.n == 0 || l.lost {
		return time.Time{}, false
	}
	return l.due[l.first].at, true
}

// ripe returns up to where bytes are due by now, and forgets their times.
func (l *lane) ripe() (end int64) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for end = l.out; l.n > 0 && !l.due[l.first].at.After(now); l.n-- {
		end = l.due[l.first].end
		l.first = (l.first + 1) % laneReads
	}
	return end
}

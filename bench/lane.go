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

	// laneNap is how long a lane sleeps at once, so that it learns in time that it is to end.
	laneNap = 50 * time.Millisecond
)

// lane is one direction of a relay: a ring of bytes, and when each of them is to leave.
type lane struct {
	delay time.Duration
	full  *atomic.Int64 // counts that there was no room
	ring  []byte

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

func newLane(delay time.Duration, full *atomic.Int64) *lane {
	l := &lane{delay: delay, full: full, ring: make([]byte, laneBytes), due: make([]stamp, laneReads)}
	l.changed.L = &l.mu
	return l
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
		at := time.Now().Add(l.delay)
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
	if l.in-l.out == laneBytes || l.n == laneReads {
		l.full.Add(1)
	}
	for !l.ended && (l.in-l.out == laneBytes || l.n == laneReads) {
		l.changed.Wait()
	}
	if l.ended {
		return nil
	}
	at := int(l.in % laneBytes)
	return l.ring[at:min(at+laneRead, at+int(laneBytes-(l.in-l.out)), laneBytes)]
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

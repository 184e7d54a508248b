package sim

import (
	"errors"

	"github.com/sscd-io/sscd/engine/internal/core"
)

var errShort = errors.New("the file became shorter")

// zeroFill is how many zeros a transport writes at once instead of what a file has no more, in bytes.
const zeroFill = 16 << 10

// aheadBytes is of how much of a file is asked at once whether it is in memory, unless a frame is longer, in bytes.
const aheadBytes = 512 << 10

// file is a file of which a range is sent on a channel. Its bytes are the channel's pattern, as if they had been
// written. It is the core.File of its world, and looks at what is done to it: nobody has business beyond the range,
// and nobody reads what is not in memory, or without having asked.
type file struct {
	w    *World
	side int
	ch   *channel
	off  int64 // of the range
	n    int64 // bytes of it
	refs int   // who uses it; 0 closed it

	start uint64 // the channel's bytes before it, once sent
	sent  bool   // it has reached the core
	late  bool   // too late: the channel was over
	read  int64  // up to here it was read
	end   int64  // of the file, as it is by now
	bad   bool   // reading fails
	disk  disk
	known int64  // up to here it was asked for
	cold  int64  // and up to here it is to be fetched; 0 if all is there
	asked uint64 // how often it was probed
}

// disk is how a file answers a probe.
type disk uint8

const (
	cached disk = iota // all is in memory
	cold               // nothing is
	some               // it depends
	blind              // it cannot tell, and says that all is there
)

// newFile returns a file of side s, of which n bytes are to be sent on ch. Where they begin, and what of it is in
// memory, follow from how many there were.
func (w *World) newFile(s int, ch *channel, n int64) *file {
	w.Stats.Files++
	sd := &w.sides[s]
	sd.nfiles++
	r := mix(w.setup.Seed ^ sd.nfiles<<1 ^ uint64(s))
	off := [...]int64{0, int64(r>>8) & 0xfff, 1<<40 + int64(r>>8)&0xffff, 4096}[r&3]
	f := &file{w: w, side: s, ch: ch, off: off, n: n, refs: 1, read: off, known: off, end: off + n,
		disk: disk(r >> 2 & 3)}
	if r>>4&1 == 0 {
		f.end += int64(r >> 40 & 0xffff)
	}
	sd.files = append(sd.files, f)
	return f
}

// use notes that n bytes from off on are asked for.
func (f *file) use(what string, off, n int64) {
	if f.refs <= 0 {
		f.w.failf("files", "a file of channel %d is %s after it was closed", f.ch.id, what)
	}
	if n <= 0 || off < f.off || off+n > f.off+f.n {
		f.w.failf("files", "%d bytes from %d on are %s on channel %d, whose range has %d from %d on", n, off, what,
			f.ch.id, f.n, f.off)
	}
}

// take notes that n bytes from off on are read, and may make a loop wait.
func (f *file) take(what string, off, n int64) {
	f.use(what, off, n)
	if off+n > f.known || off < f.cold {
		f.w.failf("files", "%d bytes from %d on are %s on channel %d: asked for up to %d, and fetched up to %d", n, off,
			what, f.ch.id, f.known, f.cold)
	}
}

// lose notes that somebody was told that the range cannot be read: its channel must end.
func (f *file) lose() {
	e := &f.ch.ends[f.side]
	e.lost = true
	f.w.mark('l', uint64(f.side), uint64(f.ch.id))
}

// Probe implements core.File.
func (f *file) Probe(off int64, n int) (ready bool, err error) {
	f.use("probed", off, int64(n))
	if n > max(aheadBytes, f.w.fileFrame()) {
		f.w.failf("files", "%d bytes are asked for on channel %d at once", n, f.ch.id)
	}
	f.asked++
	switch {
	case f.disk == blind:
		ready = true
	case off+int64(n) > f.end:
		f.lose()
		return false, errShort
	case f.disk == some:
		ready = mix(f.asked^f.start)&1 == 0
	default:
		ready = f.disk == cached
	}
	if f.known = off + int64(n); !ready {
		f.cold = f.known
	}
	return ready, nil
}

// Read implements core.File.
func (f *file) Read(p []byte, off int64) error {
	f.take("read", off, int64(len(p)))
	if f.bad || off+int64(len(p)) > f.end {
		f.lose()
		return errShort
	}
	f.content(p, off)
	f.read = off + int64(len(p))
	return nil
}

// Fetch implements core.File.
func (f *file) Fetch(off int64, n int, done func()) {
	f.use("fetched", off, int64(n))
	sd := &f.w.sides[f.side]
	sd.fetches = append(sd.fetches, fetch{f, done})
}

// Retain implements core.File.
func (f *file) Retain() {
	f.use("retained", f.off, 1)
	f.refs++
}

// Release implements core.File.
func (f *file) Release() {
	if f.refs--; f.refs < 0 {
		f.w.failf("files", "a file of channel %d is released once more", f.ch.id)
	}
}

// waits returns whether the channel of f may still have something to send.
func (f *file) waits() bool {
	v := &f.w.view[0]
	return f.w.sides[f.side].conn.View(f.ch.ends[f.side].h, v) && v.State <= core.StateOpen
}

// place is which of its channel's bytes the file has at off.
func (f *file) place(off int64) uint64 { return f.start + uint64(off-f.off) }

// content is what the file has, or had, at off.
func (f *file) content(p []byte, off int64) { f.ch.ends[f.side].out.fill(p, f.place(off)) }

// fetch is a part of a file that somebody waits for.
type fetch struct {
	file *file
	done func()
}

// sendFile has side s send n bytes of a file.
func (w *World) sendFile(s int, ch *channel, n int64) {
	sd := &w.sides[s]
	e := &ch.ends[s]
	if n <= 0 {
		return
	}
	switch sd.conn.ReserveFile(e.h) {
	case core.SendOK:
		if e.shut || e.ending || e.over {
			w.failf("order and once", "channel %d takes a file after its end", ch.id)
		}
		e.booked += uint64(n)
		w.post(s, letter{SendFile, ch, e.h, 0, w.newFile(s, ch, n)})
	case core.SendFull:
		e.await = true
		if e.booked == 0 {
			w.failf("memory", "channel %d is full before anything was written", ch.id)
		}
	case core.SendStarved:
		w.failf("memory", "there is no memory for a file on channel %d, which needs none", ch.id)
	case core.SendClosed:
		if !e.shut && !e.ending && !sd.quit {
			w.failf("order and once", "channel %d takes no file", ch.id)
		}
	}
}

// sendsFile has the core of side s take a range.
func (w *World) sendsFile(s int, l *letter) {
	f, e := l.file, &l.ch.ends[s]
	f.start, f.sent, f.late = e.written, true, e.over
	if !e.over {
		e.written += uint64(f.n)
	}
	w.sides[s].conn.SendFile(w.now, l.h, f, f.off, f.n)
}

// truncate has a file of side s end n/8 bytes behind what was read of it, or no more be read at all.
func (w *World) truncate(s, pick int, n uint32) {
	sd := &w.sides[s]
	if len(sd.files) == 0 {
		return
	}
	f := sd.files[pick%len(sd.files)]
	if n%8 == 7 {
		f.bad = true
	} else {
		f.end = min(f.end, f.read+int64(n/8))
	}
}

// take does what a loop does behind Next: it has fetched what channels wait for.
func (w *World) take(s int) {
	sd := &w.sides[s]
	for i, x := range sd.arena.Fetches {
		x.File.Fetch(x.Off, x.Len, func() {
			x.File.Release()
			w.post(s, letter{Fetch, x.File.(*file).ch, x.Channel, 0, nil})
		})
		sd.arena.Fetches[i] = core.Fetch{}
	}
	sd.arena.Fetches = sd.arena.Fetches[:0]
}

// fetched ends one of the fetches of side s, and returns whether there was one.
func (w *World) fetched(s, pick int) bool {
	sd := &w.sides[s]
	if len(sd.fetches) == 0 {
		return false
	}
	i := pick % len(sd.fetches)
	x := sd.fetches[i]
	x.file.cold = 0
	sd.fetches = append(sd.fetches[:i], sd.fetches[i+1:]...)
	x.done()
	return true
}

// sendfile writes up to n bytes of a range from byte skip on, as the system call of that name does, and returns how
// many: not more than the file has, and zeros if it has none any more.
func (w *World) sendfile(s int, r *core.Range, skip, n int) int {
	f := r.File.(*file)
	off := r.Off + int64(skip)
	f.take("sent", off, int64(n))
	p := w.batch[:n]
	if has := f.end - off; has > 0 && !f.bad {
		p = p[:min(int64(n), has)]
		f.content(p, off)
		f.read = off + int64(len(p))
	} else {
		if e := &f.ch.ends[s]; !e.holed {
			e.holed, e.hole = true, f.place(off)
			w.Stats.Holes++
		}
		f.lose()
		w.sides[s].conn.Truncated(r.Channel)
		p = p[:min(n, zeroFill)]
		clear(p)
	}
	if !w.setup.Hostile {
		w.links[1-s].put(p)
	}
	return len(p)
}

// rangeOf is what the range of b has on the wire, if its file is whole.
func rangeOf(b *core.Batch) []byte {
	p := make([]byte, b.Range.Len)
	b.Range.File.(*file).content(p, b.Range.Off)
	return p
}

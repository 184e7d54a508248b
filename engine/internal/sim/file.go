package sim

import (
	"errors"
	"time"

	"github.com/sscd-io/sscd/codec"
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
		f.w.failf("files", "%d bytes from %d on are %s on channel %d, which were asked for up to %d, and are fetched up "+
			"to %d", n, off, what, f.ch.id, f.known, f.cold)
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
	if n > max(aheadBytes, f.w.setup.fileFrame()) {
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
	sd.fetches = append(sd.fetches, fetch{f, done, f.w.now})
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

// place is which of its channel's bytes the file has at off.
func (f *file) place(off int64) uint64 { return f.start + uint64(off-f.off) }

// content is what the file has, or had, at off.
func (f *file) content(p []byte, off int64) { f.ch.ends[f.side].out.fill(p, f.place(off)) }

// fetch is a part of a file that somebody waits for.
type fetch struct {
	file  *file
	done  func()
	since time.Duration
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

// checkRange checks the range of a batch whose frames were looked at: it is what the channel has to send next.
func (w *World) checkRange(s int, r *core.Range) {
	if r.File == nil {
		return
	}
	sd, f := &w.sides[s], r.File.(*file)
	f.take("to be sent", r.Off, int64(r.Len))
	e := &f.ch.ends[s]
	if r.Channel != e.h || f.place(r.Off)+uint64(r.Len) != e.left {
		w.failf("files", "a range ends at byte %d of channel %d, of which %d have left", f.place(r.Off)+uint64(r.Len),
			f.ch.id, e.left)
	}
	if !w.setup.Ranges {
		w.failf("files", "a range for a transport that takes none")
	}
	if before := sd.batch.Len() - r.Len - headerBytes; before > 0 && sd.batch.Len() > sd.cfg.BatchBytes {
		w.failf("files", "a batch has %d bytes, and a range of %d on top of them", before, r.Len)
	}
}

// checkFrame checks DATA with n bytes behind those that left before: it has those of one file, or of none.
func (w *World) checkFrame(s int, ch *channel, n int, flags byte) {
	left, within := ch.ends[s].left, false
	for _, f := range w.sides[s].files {
		if f.ch != ch || !f.sent || f.late || left >= f.start+uint64(f.n) || left+uint64(n) <= f.start {
			continue
		}
		within = true
		ch.ends[s].movedAt = w.now
		if left < f.start || left+uint64(n) > f.start+uint64(f.n) {
			w.failf("files", "DATA on channel %d has bytes of a file and others", ch.id)
		}
		if flags&(flagZip|flagFin) != 0 {
			w.failf("files", "bytes of a file leave on channel %d with flags %02x", ch.id, flags)
		}
	}
	most := w.sides[s].cfg.FrameSize
	switch {
	case flags&flagHeaderCRC == 0:
	case !within:
		w.failf("files", "DATA on channel %d has no payload CRC, and is of no file", ch.id)
	default:
		most = w.setup.fileFrame()
	}
	if n > most {
		w.failf("wire", "DATA of %d bytes", n)
	}
}

// checkFetches checks that no channel of side s waits for ever for what is being fetched.
func (w *World) checkFetches(s int) {
	sd := &w.sides[s]
	for _, x := range sd.fetches {
		if age := w.now - max(x.since, sd.awake); age > 5*time.Minute+grace && x.file.waits() {
			w.failf("timers", "channel %d waits for its file for %v", x.file.ch.id, age)
		}
	}
}

// waits returns whether the channel of f may still have something to send.
func (f *file) waits() bool {
	v := &f.w.view[0]
	return f.w.sides[f.side].conn.View(f.ch.ends[f.side].h, v) && v.State <= core.StateOpen
}

// checkFiles checks that each file of side s has as many users as the oracle knows of: the letter or the queue it waits
// in, the batch, and what is being fetched. One without is closed.
func (w *World) checkFiles(s int) {
	sd := &w.sides[s]
	b := &sd.batch
	if sd.rest != nil {
		b = sd.rest
	}
	kept := sd.files[:0]
	for _, f := range sd.files {
		e, want := &f.ch.ends[s], 0
		waits := f.waits()
		if e.lost && waits {
			w.failf("files", "channel %d lives on though its file cannot be read", f.ch.id)
		}
		if !f.sent || waits && !f.late && e.left < f.start+uint64(f.n) {
			want++
		}
		if b.Range.File == core.File(f) {
			want++
		}
		for _, x := range sd.fetches {
			if x.file == f {
				want++
			}
		}
		if f.refs != want {
			w.failf("files", "a file of channel %d has %d users, and not %d", f.ch.id, f.refs, want)
		}
		if want > 0 {
			kept = append(kept, f)
		}
	}
	clear(sd.files[len(kept):])
	sd.files = kept
}

// checkHole compares what came from side s with what it sent where its file was gone: zeros, up to the end of that
// frame.
func (w *World) checkHole(s int, ch *channel, p []byte, off uint64) {
	for i, b := range p {
		if b != 0 {
			w.failf("files", "byte %d of the %s on channel %d is %x, and of a file that has none", off+uint64(i),
				sideNames[s], ch.id, b)
			return
		}
	}
}

// lostFile returns whether a channel may end with that code since a file could not be read.
func (e *end) lostFile(code codec.Code) bool { return e.lost && code == codec.Internal }

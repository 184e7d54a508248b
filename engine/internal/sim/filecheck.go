package sim

import (
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// What the oracle checks of files.

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

// checkHalf checks that a channel whose file is being fetched has the time that there is behind the end of the peer's
// stream (SPEC section 6), if its window holds something of it.
func (w *World) checkHalf(s int, ch *channel, end *core.End) {
	sd, v := &w.sides[s], &w.view[0]
	early := sd.cause.eof && !sd.cause.broken && end.Err != nil && w.now < sd.cause.halfAt+5*time.Second
	if !early || !sd.conn.View(ch.ends[s].h, v) || v.Out == 0 || sd.quit {
		return
	}
	for _, x := range sd.fetches {
		if x.file.ch == ch {
			w.failf("files", "channel %d ends %v after the peer's stream while its file is being fetched", ch.id,
				w.now-sd.cause.halfAt)
		}
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
	switch ranged := flags&flagHeaderCRC != 0; {
	case ranged && (!within || n < rangeLeast):
		w.failf("files", "%d bytes leave on channel %d without a CRC; of a file: %v", n, ch.id, within)
	case ranged:
		most = w.fileFrame()
	case within && w.setup.Ranges && w.takesHeaderCRC(s):
		most = max(most, min(w.fileFrame(), rangeLeast-1))
	}
	if n > most {
		w.failf("wire", "DATA of %d bytes", n)
	}
}

// fileFrame is the longest DATA that leaves as a range.
func (w *World) fileFrame() int {
	if w.setup.Hostile {
		return w.setup.fileFrame(int(w.model.peer.frame))
	}
	return w.setup.fileFrame(w.setup.MaxFrame)
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
			if x.file != f {
				continue
			}
			if want++; waits && w.view[0].Deadline == 0 {
				w.failf("timers", "channel %d waits for its file, and nothing ends that", f.ch.id)
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

package sim

import (
	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

// copied is up to which size an application has its bytes copied, if it wants.
const copied = 512

// application does an operation of the application of side s.
func (w *World) application(s int, kind Kind, op *Op) {
	sd := &w.sides[s]
	switch kind {
	case Open:
		w.open(s, op.N)
	case Ping:
		if _, ok := sd.conn.Ping(); ok {
			sd.pinged++
		}
	case GoAway:
		w.drain(s)
		sd.conn.GoAway(w.now)
	case Quit:
		w.drain(s)
		sd.quit = true
		sd.conn.Quit(w.now, &core.End{Code: codec.Cancelled})
	case Abort:
		if op.N%64 == 0 { // it leaves little to see
			sd.aborted = true
			sd.conn.Abort(&core.End{Code: codec.Internal})
		}
	case Refuse:
		sd.refuse = op.N
	case Keep:
		sd.keep = op.N%2 == 1
	case Release:
		w.release(s, int(op.Pick))
	case React:
		sd.react = Open + Kind(op.N)%(Abort-Open)
	case Turn:
		w.read(s)
	case Stranger:
		w.stranger(s, op)
	case Truncate:
		w.truncate(s, int(op.Pick), op.N)
	case Fetch:
		w.fetched(s, int(op.Pick))
	default:
		if n := len(sd.live); n > 0 {
			w.use(s, sd.live[int(op.Pick)%n], kind, op.N)
		}
	}
}

// drain notes since when the connection of side s is about to end.
func (w *World) drain(s int) {
	if sd := &w.sides[s]; sd.draining == 0 {
		sd.draining = w.now
	}
}

// open has side s open a channel.
func (w *World) open(s int, n uint32) {
	sd := &w.sides[s]
	if len(sd.live) >= w.setup.Live {
		return
	}
	ch := w.newChannel(s)
	ch.form = n
	e := &ch.ends[s]
	e.h = sd.arena.Open()
	e.byHand = n&1 == 1
	for i := range ch.ends {
		ch.ends[i].out.soft = w.setup.zipped(uint32(n) ^ uint32(len(w.all)))
	}
	sd.place(s, ch)
	w.post(s, letter{Open, ch, e.h, n, nil})
}

// use has side s do something with a channel.
func (w *World) use(s int, ch *channel, kind Kind, n uint32) {
	sd := &w.sides[s]
	e := &ch.ends[s]
	switch kind {
	case Write:
		w.write(s, ch, int(min(n, uint32(w.setup.MaxWrite))))
	case SendFile:
		w.sendFile(s, ch, int64(min(n, uint32(w.setup.MaxFile))))
	case Consume:
		if n = uint32(min(uint64(n), e.unread)); n == 0 || e.shut {
			return
		}
		e.unread -= uint64(n)
		if sd.arena.Consume(e.h, int(n)) {
			w.post(s, letter{Consume, ch, e.h, n, nil})
		}
	case Finish:
		if _, _, can := sd.conn.Peer(); can&codec.FeatureFin != 0 && sd.arena.Finish(e.h) {
			e.ending = true
			w.post(s, letter{Finish, ch, e.h, 0, nil})
		}
	case Urgency:
		if known, _, _ := sd.conn.Peer(); known {
			w.post(s, letter{Urgency, ch, e.h, n % 8, nil})
		}
	case Close:
		if sd.arena.Shut(e.h) {
			e.shut = true
			w.post(s, letter{Close, ch, e.h, 0, nil})
		}
	case Reset:
		sd.arena.Shut(e.h)
		e.shut = true
		w.post(s, letter{Reset, ch, e.h, n, nil})
	}
}

// write has side s write n bytes.
func (w *World) write(s int, ch *channel, n int) {
	sd := &w.sides[s]
	e := &ch.ends[s]
	if n == 0 {
		if sends := sd.arena.Sends(e.h); sends && (e.shut || e.ending) {
			w.failf("order and once", "channel %d takes bytes after its end", ch.id)
		}
		return
	}
	switch sd.conn.Reserve(e.h, n, 0) {
	case core.SendOK:
		if e.shut || e.ending || e.over {
			w.failf("order and once", "channel %d takes bytes after its end", ch.id)
		}
		e.booked += uint64(n)
		w.post(s, letter{Write, ch, e.h, uint32(n), nil})
	case core.SendFull:
		e.await = true
		if e.booked == 0 {
			w.failf("memory", "channel %d is full before anything was written", ch.id)
		}
	case core.SendStarved:
		e.await = true
		w.post(s, letter{React, ch, e.h, 0, nil})
	case core.SendClosed:
		if !e.shut && !e.ending && !sd.quit {
			w.failf("order and once", "channel %d takes nothing", ch.id)
		}
	}
}

// post gives a letter to the core of side s: at once, or with the next turn.
func (w *World) post(s int, l letter) {
	if w.setup.Mail {
		w.sides[s].letters = append(w.sides[s].letters, l)
		return
	}
	w.handle(s, &l)
}

// read has the core of side s handle its letters.
func (w *World) read(s int) {
	sd := &w.sides[s]
	for i := 0; i < len(sd.letters); i++ {
		l := sd.letters[i]
		w.handle(s, &l)
	}
	sd.letters = sd.letters[:0]
}

// handle has the core of side s do what a letter says.
func (w *World) handle(s int, l *letter) {
	sd := &w.sides[s]
	e := &l.ch.ends[s]
	switch l.kind {
	case Open:
		w.opens(s, l)
	case Write:
		w.writes(s, l)
	case SendFile:
		w.sendsFile(s, l)
	case Fetch:
		sd.conn.Fetched(w.now, l.h)
	case Consume:
		sd.conn.Collect(w.now, l.h)
	case React:
		sd.conn.Starve(w.now, l.h)
	case Finish:
		e.finish = true
		sd.conn.CloseWrite(w.now, l.h)
	case Urgency:
		sd.conn.SetPriority(l.h, uint8(l.n))
	case Close:
		if !e.over {
			e.closing, e.closeAt = true, w.now
		}
		sd.conn.Close(w.now, l.h)
	case Reset:
		if !e.over && !e.reset {
			e.reset, e.code = true, codec.Code(l.n)
		}
		sd.conn.Reset(l.h, codec.Code(l.n))
	}
}

// opens has the core of side s open a channel.
func (w *World) opens(s int, l *letter) {
	sd := &w.sides[s]
	e := &l.ch.ends[s]
	if sd.down { // there is nothing to open it on
		sd.conn.Cancel(l.h)
		e.over = true
		sd.remove(s, l.ch)
		return
	}
	e.openedAt = w.now
	id := sd.conn.Look(w.now).NextID
	var params *pool.Buf
	if p := w.openForm(l.ch.form); len(p) > 0 {
		params = w.pool.Copy(p)
	}
	sd.conn.Open(w.now, l.h, params, e.traits())
	if sd.conn.Look(w.now).NextID != id {
		l.ch.name(w.setup.Seed, uint32(id))
		w.chans[s] = append(w.chans[s], l.ch)
	}
}

// writes has the core of side s take bytes.
func (w *World) writes(s int, l *letter) {
	sd := &w.sides[s]
	e := &l.ch.ends[s]
	if w.setup.Casts && w.setup.Mail && l.n <= copied && l.n%4 == 0 {
		w.casts(s, l)
		return
	}
	if l.n <= copied && l.n%3 != 0 {
		p := w.batch[:l.n]
		e.out.fill(p, e.written)
		sd.conn.SendCopy(w.now, l.h, p)
	} else {
		buf := w.pool.Get(int(l.n))
		e.out.fill(buf.B, e.written)
		sd.conn.Send(w.now, l.h, buf)
	}
	if !e.over {
		e.written += uint64(l.n)
	}
}

// casts is writes of a message for many channels, of which there is one.
func (w *World) casts(s int, l *letter) {
	sd := &w.sides[s]
	e := &l.ch.ends[s]
	buf := w.pool.Get(int(l.n))
	e.out.fill(buf.B, e.written)
	if !e.over {
		e.written += uint64(l.n)
	}
	m := core.NewMessage(buf)
	shared := m.Retain(1)
	m.Release()
	if sd.busy || sd.closed {
		sd.conn.SendShared(w.now, l.h, shared)
		return
	}
	sd.fair.before(w, s)
	if sd.conn.NextShared(w.now, &sd.batch, []core.Handle{l.h}, shared) == 0 {
		sd.conn.SendShared(w.now, l.h, shared)
	}
	w.built(s)
}

// openForm is OPEN's payload of a channel with that form, in scratch memory.
func (w *World) openForm(form uint32) []byte {
	if form&14 != 0 { // most have none
		return nil
	}
	o := core.OpenParams{Priority: uint8(form >> 4 & 7)}
	if form&0x100 != 0 {
		o.Target = []byte("echo")
	}
	if form&0x200 != 0 {
		o.Metadata = make([]byte, form>>10&0x7ff)
	}
	if form&0x80 != 0 && w.setup.Extended {
		o.HasWindow, o.Window = true, uint32(w.setup.Window)+form>>16&0xff
	}
	return o.Append(w.batch[:0])
}

// release has side s let go of a channel it kept.
func (w *World) release(s, pick int) {
	sd := &w.sides[s]
	if len(sd.kept) == 0 {
		return
	}
	i := pick % len(sd.kept)
	h := sd.kept[i].ends[s].h
	if w.setup.Hostile {
		w.model.released(sd.kept[i].id)
	}
	sd.kept[i] = sd.kept[len(sd.kept)-1]
	sd.kept = sd.kept[:len(sd.kept)-1]
	sd.conn.Release(h)
	sd.forget(h)
}

// stranger has side s use a handle it kept too long: nothing may come of it.
func (w *World) stranger(s int, op *Op) {
	sd := &w.sides[s]
	if sd.ngone == 0 {
		return
	}
	h := sd.gone[int(op.Pick)%min(sd.ngone, len(sd.gone))]
	if sd.arena.Live(h) { // it waits for its last frame
		return
	}
	switch Write + Kind(op.N)%4 {
	case Write:
		if sd.conn.Reserve(h, 1, 0) != core.SendClosed || sd.arena.Sends(h) {
			w.failf("ids and states", "a handle of a channel that is gone takes bytes")
		}
		sd.conn.SendCopy(w.now, h, w.batch[:1])
		sd.conn.Send(w.now, h, w.pool.Get(1000))
	case Consume:
		if sd.arena.Consume(h, 10) {
			w.failf("ids and states", "a handle of a channel that is gone consumes")
		}
		sd.conn.Collect(w.now, h)
	case Close:
		if sd.arena.Shut(h) {
			w.failf("ids and states", "a handle of a channel that is gone can be closed")
		}
		sd.conn.Close(w.now, h)
	case Reset:
		sd.conn.Reset(h, codec.Cancelled)
		sd.conn.Release(h)
	}
}

package sim

import (
	"bytes"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// events plays the application of side s: it hears what the core reports.
func (w *World) events(s int) {
	sd := &w.sides[s]
	ev := &w.ev
	frames, channels := sd.arena.FramesIn, uint64(len(sd.live))
	for n := uint64(0); sd.conn.Step(w.now, ev); n++ {
		if came := sd.arena.FramesIn - frames; n > 3*came+4*channels+16 {
			w.failf("progress", "the %s reports %d events of %d frames", sideNames[s], n, came)
			break
		}
		w.event(s, ev)
		if ev.Channel.Slot != 0 && !w.setup.Hostile && sd.react != NumKinds && !sd.down {
			kind := sd.react
			sd.react = NumKinds
			w.reaction(s, kind, ev.Channel)
		}
	}
	if sd.conn.Silent() && !w.sides[1-s].script {
		w.links[1-s].ended = true
	}
	if sd.conn.Over() && !sd.closed {
		w.closeTransport(s)
	}
}

// reaction is what a handler does besides.
func (w *World) reaction(s int, kind Kind, h core.Handle) {
	op := Op{Kind: kind, Side: uint8(s), N: uint32(w.hash>>40) % 300}
	if kind < Write || kind > Urgency {
		w.application(s, kind, &op)
	} else if ch := w.sides[s].at(s, h); ch != nil && !ch.ends[s].over {
		w.use(s, ch, kind, op.N)
	}
}

// event hears one event.
func (w *World) event(s int, ev *core.Event) {
	sd := &w.sides[s]
	if w.Trace != nil {
		w.tracef("   %s hears %s", sideNames[s], describe(ev))
	}
	w.Stats.Events[ev.Kind]++
	if w.setup.Hostile {
		w.model.hear(w, ev)
	}
	if sd.down {
		w.failf("ids and states", "the %s hears event %d after the end", sideNames[s], ev.Kind)
	}
	switch ev.Kind {
	case core.Opened:
		w.hearOpened(s, ev)
		return
	case core.Ponged:
		if sd.pinged--; sd.pinged < 0 && !w.setup.Hostile && !w.keepsAlive() {
			w.failf("ids and states", "an answer to no PING")
		}
		return
	case core.GoneAway:
		sd.away = true
		w.drain(s)
		return
	case core.Down:
		w.hearDown(s, ev.End)
		return
	}
	ch := sd.at(s, ev.Channel)
	if ch == nil {
		w.failf("ids and states", "event %d of a channel that the %s does not have", ev.Kind, sideNames[s])
		return
	}
	e := &ch.ends[s]
	if e.over {
		w.failf("ids and states", "event %d after the end of channel %d", ev.Kind, ch.id)
	}
	w.mark(uint64(ev.Kind)<<1|uint64(s), uint64(ch.id), uint64(len(ev.Data)))
	switch ev.Kind {
	case core.Accepted:
		if e.told || ch.opener != s {
			w.failf("ids and states", "channel %d is accepted once more", ch.id)
		}
		e.told = true
	case core.DataReceived:
		w.hearData(s, ch, ev.Data, ev.Fin)
	case core.Writable:
		if !e.await {
			w.failf("ids and states", "channel %d is writable, and nobody waits", ch.id)
		}
		e.await = false
	case core.Closed:
		w.hearClosed(s, ch, ev.End)
	}
}

// keepsAlive returns whether the clock has gone so far that the cores ping by themselves.
func (w *World) keepsAlive() bool { return w.now > epoch || w.setup.Extended }

// hearOpened answers the peer's OPEN.
func (w *World) hearOpened(s int, ev *core.Event) {
	sd := &w.sides[s]
	var v core.ChannelView
	sd.conn.View(ev.Channel, &v)
	ch := w.channel(v.ID)
	if w.setup.Hostile {
		ch = w.peer.opened(w, s, v.ID)
	}
	if ch == nil || ch.opener == s || ch.ends[s].has || v.ID <= sd.seen {
		w.failf("ids and states", "the %s hears of channel %d, which nobody opened", sideNames[s], v.ID)
		return
	}
	sd.seen = v.ID
	w.mark('o', uint64(s), uint64(v.ID))
	if want := w.openForm(ch.form); !w.setup.Hostile && !bytes.Equal(ev.Data, want) {
		w.failf("order and once", "OPEN of channel %d came with other parameters", v.ID)
	}
	e := &ch.ends[s]
	e.h = ev.Channel
	e.openedAt, e.told = w.now, true
	if sd.refuse != 0 {
		e.has, e.over, e.refused = true, true, true
		e.code = codec.Code(sd.refuse)
		sd.conn.Refuse(w.now, ev.Channel, e.code)
		return
	}
	e.byHand = w.setup.byHand(v.ID)
	sd.place(s, ch)
	sd.conn.Accept(ev.Channel, e.traits())
	w.checkSlots(s)
}

// hearData takes bytes that came.
func (w *World) hearData(s int, ch *channel, p []byte, fin bool) {
	e := &ch.ends[s]
	if e.shut || e.finCame || len(p) == 0 && !fin {
		w.failf("order and once", "%d bytes come on channel %d (closed by the application: %v)", len(p), ch.id, e.shut)
	}
	if !w.setup.Hostile {
		w.checkBytes(1-s, ch, p, e.read)
		if from := &ch.ends[1-s]; e.read+uint64(len(p)) > from.left {
			w.failf("order and once", "more bytes come on channel %d than left", ch.id)
		}
	}
	e.read += uint64(len(p))
	if o := &ch.ends[1-s]; fin && !w.setup.Hostile && (!o.finOut || e.read != o.written) {
		w.failf("order and once", "channel %d: FIN comes after %d bytes of %d", ch.id, e.read, o.written)
	}
	e.finCame = fin
	switch {
	case !e.byHand:
	case w.sides[s].reader:
		if w.sides[s].arena.Consume(e.h, len(p)) {
			w.post(s, letter{Consume, ch, e.h, 0, nil})
		}
	default:
		e.unread += uint64(len(p))
	}
}

// hearClosed takes the end of a channel.
func (w *World) hearClosed(s int, ch *channel, end *core.End) {
	sd := &w.sides[s]
	e := &ch.ends[s]
	e.over = true
	w.mark('c', uint64(ch.id), uint64(end.Code))
	w.judgeChannel(s, ch, end)
	e.deaf, e.shut = e.shut, true
	sd.remove(s, ch)
	if sd.keep {
		sd.conn.Keep(e.h)
		if sd.arena.Live(e.h) {
			sd.kept = append(sd.kept, ch)
		}
		return
	}
	sd.conn.Release(e.h)
	sd.forget(e.h)
}

// hearDown takes the end of the connection.
func (w *World) hearDown(s int, end *core.End) {
	sd := &w.sides[s]
	sd.down, sd.endAt = true, w.now
	w.sound = false
	w.mark('d', uint64(s), uint64(end.Code))
	w.Stats.Ends[min(end.Code, codec.Cancelled+1)]++
	w.judgeConn(s, end)
	sd.kept = sd.kept[:0] // released with it
	for i := 0; i < len(sd.live); i++ {
		if e := &sd.live[i].ends[s]; sd.live[i].id != 0 {
			w.failf("ids and states", "channel %d outlives its connection", sd.live[i].id)
		} else if e.openedAt != 0 {
			w.failf("ids and states", "a channel that was not opened outlives its connection")
		}
	}
}

package sim

import (
	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// allowance is how many queued bytes of a channel count for no account.
const allowance = 4096

// maxWindow is the largest window there may be.
const maxWindow = 1<<31 - 1

// look is what the oracle does after each operation: it looks at one channel of the side that acted, in
// turn, and now and then at the side. What is wrong once stays wrong, so that this finds it soon.
func (w *World) look(s int) {
	sd := &w.sides[s]
	w.turn++
	if n := len(sd.live); n > 0 && w.sound && !w.setup.Hostile {
		w.checkChannel(sd.live[w.turn%n])
	}
	if w.turn%4 == 0 && len(sd.files) > 0 {
		w.checkFiles(s)
	}
	if w.turn%32 == 0 && !sd.script {
		w.checkSlots(s)
		w.checkMemory(s)
	}
}

// checkConn checks the windows of the connection, in both directions:
//
//	what the sender may send + DATA on the way + grants on the way = what the receiver lets it send
//
// whatever became of the channels: what came on those that are closed counts as well.
func (w *World) checkConn() {
	if !w.sound || !w.setup.Extended {
		return
	}
	for from := range w.sides {
		a, b := w.sides[from].conn.Look(w.now), w.sides[1-from].conn.Look(w.now)
		to := &w.links[1-from]
		if a.Lost != 0 {
			w.failf("window conservation", "the %s forgot %d bytes of the connection's window", sideNames[from], a.Lost)
		}
		if a.Extended && b.Extended && a.Out+to.data+w.links[from].grants != b.In {
			w.failf("window conservation", "the %s may send %d in all, on the way %d, granted %d, but window %d",
				sideNames[from], a.Out, to.data, w.links[from].grants, b.In)
		}
	}
}

// checkMemory checks that the account of a side is what its channels use.
func (w *World) checkMemory(s int) {
	sd := &w.sides[s]
	if sd.down || w.setup.Hostile {
		return
	}
	var sum int64
	for _, ch := range sd.live {
		v := &w.view[0]
		if !sd.conn.View(ch.ends[s].h, v) {
			return // the core does not know of it yet
		}
		sum += max(0, int64(v.Queued)-allowance) + v.Size - v.Start
	}
	if used := sd.conn.Memory().Used(); used != sum || used > int64(w.setup.Memory) {
		w.failf("memory", "%d bytes are booked of %d, and %d used", used, w.setup.Memory, sum)
	}
}

// lookAtAll is look at everything.
func (w *World) lookAtAll() {
	for s := range w.sides {
		if w.sides[s].script {
			continue
		}
		w.checkSlots(s)
		w.checkFiles(s)
		for _, ch := range w.sides[s].live {
			if w.sound && !w.setup.Hostile {
				w.checkChannel(ch)
			}
		}
	}
}

// checkChannel checks that no byte of the windows of ch is lost or made up, in both directions:
//
//	what the sender may send + DATA on the way + grants on the way = what the receiver lets it send
//	what the receiver lets it send + unread + owed                 = the size of the window
func (w *World) checkChannel(ch *channel) {
	if !w.sound || ch.id == 0 {
		return
	}
	for from := range ch.ends {
		a, b := &w.view[0], &w.view[1]
		e, o := &ch.ends[from], &ch.ends[1-from]
		sends := e.has && w.sides[from].conn.View(e.h, a) && a.State < core.StateCrossed
		takes := o.has && w.sides[1-from].conn.View(o.h, b) && b.State < core.StateCrossed
		if !o.has && !o.heard && ch.opener == from { // OPEN is on the way
			*b = core.ChannelView{Window: int64(w.setup.Window), State: core.StateIdle}
			takes = true
		}
		if sends && takes && b.Window != a.Out+int64(e.onLink)+int64(o.grants) {
			w.failf("window conservation",
				"channel %d, %s to %s: may send %d, on the way %d, granted %d, but window %d", ch.id,
				sideNames[from], sideNames[1-from], a.Out, e.onLink, o.grants, b.Window)
		}
		if sends && (a.Out < 0 || a.Out > maxWindow) {
			w.failf("window conservation", "channel %d: window %d", ch.id, a.Out)
		}
		if takes && (b.State == core.StateOpen || b.State == core.StateOpening) {
			w.checkUnread(ch, o, b)
		}
	}
}

// checkUnread checks that what came and was not granted is what the application has.
func (w *World) checkUnread(ch *channel, e *end, v *core.ChannelView) {
	unread := int64(e.unread) + v.Uncounted
	if e.closing || !e.byHand {
		unread = 0
	}
	if v.Window < 0 || v.Owed < 0 || v.Window+v.Owed+unread != v.Size {
		w.failf("window conservation", "channel %d: window %d, owed %d, unread %d (%d of them consumed): not %d",
			ch.id, v.Window, v.Owed, unread, v.Uncounted, v.Size)
	}
	if v.Size < v.Start || v.Size > max(v.Start, int64(w.setup.MaxWindow)) || !w.setup.Extended && v.Size != v.Start {
		w.failf("window conservation", "channel %d: the window is %d, from %d to %d", ch.id, v.Size, v.Start,
			w.setup.MaxWindow)
	}
}

// checkSlots checks what a side holds for its peer, and its other bounds.
func (w *World) checkSlots(s int) {
	sd := &w.sides[s]
	if sd.down {
		return
	}
	v := sd.conn.Look(w.now)
	held := 0
	for _, list := range [][]*channel{sd.live, sd.kept} {
		for _, ch := range list {
			if ch.opener != s {
				held++
			}
		}
	}
	if held > v.Accepted || v.Accepted > sd.cfg.MaxChannels {
		w.failf("slots", "the %s has %d channels of its peer's in %d slots of %d", sideNames[s], held, v.Accepted,
			sd.cfg.MaxChannels)
	}
	if v.Pongs > 4 || v.Pings > 4 || v.Late < 0 || v.Lates < 0 || v.Tokens < 0 {
		w.failf("memory", "%d PONGs and %d PINGs, late credit %d and %d, %d tokens", v.Pongs, v.Pings, v.Late, v.Lates,
			v.Tokens)
	}
}

// asHeard is a code of ERROR on a channel as its receiver reports it.
func asHeard(c codec.Code) codec.Code {
	if c == codec.NoError {
		return codec.Cancelled
	}
	return c.Known()
}

// judgeChannel checks that a channel had a reason to end as it did on side s.
func (w *World) judgeChannel(s int, ch *channel, end *core.End) {
	e, o := &ch.ends[s], &ch.ends[1-s]
	switch {
	case end.Conn:
		w.checkHalf(s, ch, end)
	case w.setup.Hostile:
		w.peer.closed(w, s, ch, end)
	case end.Clean:
		if !e.closing && !o.closing && !(e.finOut && o.finOut) {
			w.failf("ids and states", "channel %d ends cleanly, and nobody closed it", ch.id)
		}
		if !e.shut && !w.sides[s].quit && e.read != o.written {
			w.failf("order and once", "channel %d ends cleanly after %d bytes of %d", ch.id, e.read, o.written)
		}
		if !e.shut && !w.sides[s].quit && o.holed {
			w.failf("files", "channel %d ends cleanly, and zeros came instead of a file", ch.id)
		}
		if !o.closing && e.left != e.written {
			w.failf("order and once", "channel %d is closed after %d bytes of %d", ch.id, e.left, e.written)
		}
	case end.Remote:
		switch code := end.Code; {
		case (o.reset || o.refused) && code == asHeard(o.code):
		case o.expired && code == codec.Timeout:
		case o.lostFile(code):
		case !o.has && code == codec.Refused:
		case w.sides[1-s].draining != 0 && code == codec.Refused:
		default:
			w.failf("ids and states", "channel %d was reset with %v, and not by the peer", ch.id, code)
		}
	case end.Code == codec.Timeout && w.mayTimeOutOn(s, e):
		if e.expired = true; !o.expired { // who stops waiting for an ACK does not say so
			w.stuck(s, "channel", ch.id)
		}
	case end.Code == codec.Refused && ch.id == 0 && w.setup.Extended && w.setup.MaxChannels < w.setup.Live:
		// the peer allows no more
	case end.Code == codec.Refused && (w.sides[s].draining != 0 || w.sides[1-s].draining != 0):
	case e.reset && (end.Code == e.code || e.code == 0 && end.Code == codec.Cancelled):
	case e.lostFile(end.Code):
	default:
		w.failf("ids and states", "channel %d ends with %v on the %s, for no reason", ch.id, end.Code, sideNames[s])
	}
}

// judgeConn checks that a connection had a reason to end as it did on side s.
func (w *World) judgeConn(s int, end *core.End) {
	sd, other := &w.sides[s], &w.sides[1-s]
	sd.endCode, sd.clean = end.Code, end.Clean
	switch {
	case w.setup.Hostile:
		w.peer.down(w, s, end)
	case sd.aborted:
	case end.Err != nil && sd.cause.eof:
	case end.Clean && (sd.draining != 0 || other.draining != 0):
	case w.links[s].tainted:
	case end.Remote && other.down && other.endCode == end.Code:
	case end.Remote && w.links[1-s].tainted:
	case end.Code == codec.Cancelled && sd.quit:
	case end.Code == codec.Timeout && w.mayTimeOut(s):
		w.stuck(s, "connection", 0)
	default:
		w.failf("ids and states", "the %s's connection ends with %v (%s, %v), for no reason", sideNames[s], end.Code,
			end.Reason, end.Err)
	}
}

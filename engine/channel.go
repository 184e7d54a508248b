package engine

import (
	"errors"
	"fmt"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
	"github.com/sscd-io/sscd/pool"
)

// Channel names one channel of a connection. It is a value: copy and compare it as you like, and use it
// as a key. One that is kept after the channel has ended names nothing; its methods do nothing then, and
// return ErrClosed if they return an error.
//
// All methods may be called from any goroutine and never block.
type Channel struct {
	conn   *Conn
	handle core.Handle
}

// Conn returns the channel's connection.
func (ch Channel) Conn() *Conn { return ch.conn }

// Send queues a copy of p to be sent. It takes all of p or nothing: ErrWouldBlock if the queue has no
// room (OnWritable follows), ErrClosed if the channel takes no more, ErrTooLarge. Nil does not mean
// that the peer has it: if the channel ends otherwise than by Close, OnClose says so.
//
// Where memory runs short (Config.ConnMemory, Memory), long messages wait for that, but up to 4 KiB are always
// taken when nothing waits.
func (ch Channel) Send(p []byte) error { return wouldBlock(ch.send(p, 0)) }

// errStarved is ErrWouldBlock of a channel on which nothing waits: it is memory that lacks.
var errStarved = errors.New("engine: no memory")

// wouldBlock is err, as applications know it.
func wouldBlock(err error) error {
	if err == errStarved {
		return ErrWouldBlock
	}
	return err
}

// send is Send that tells why it would block, where so much more may wait.
func (ch Channel) send(p []byte, more backlog) error {
	if err := ch.reserve(len(p), more); err != nil || len(p) == 0 {
		return err
	}
	if ch.conn.lc.Loop().Send(&ch.conn.lc, ch.handle, p) {
		return nil
	}
	return ErrClosed
}

// SendBuf is Send of b.B without a copy. If it returns nil, b is passed on; else it stays the caller's.
// b need not come from the engine's own pool.
func (ch Channel) SendBuf(b *pool.Buf) error {
	if err := ch.reserve(len(b.B), 0); err != nil {
		return wouldBlock(err)
	}
	if len(b.B) == 0 {
		b.Release()
		return nil
	}
	return ch.post(loop.Op{Kind: loop.Send, Buf: b})
}

// reserve books n bytes of the channel's queue, which may hold so many more than others.
func (ch Channel) reserve(n int, more backlog) error {
	if ch.conn == nil {
		return ErrClosed
	}
	if n == 0 || n > MaxMessage {
		switch {
		case !ch.sends():
			return ErrClosed
		case n > 0:
			return ErrTooLarge
		}
		return nil
	}
	switch ch.conn.lc.Reserve(ch.handle, n, int(more)) {
	case core.SendOK:
		return nil
	case core.SendStarved:
		ch.conn.engine.wouldBlock.Add(1)
		ch.post(loop.Op{Kind: loop.Starve})
		return errStarved
	case core.SendFull:
		ch.conn.engine.wouldBlock.Add(1)
		return ErrWouldBlock
	}
	return ErrClosed
}

// Consume gives the peer window back for n bytes that OnData got, on a channel of manual credit. More
// than OnData got counts as all of it.
func (ch Channel) Consume(n int) {
	if ch.conn != nil && ch.arena().Consume(ch.handle, n) {
		ch.post(loop.Op{Kind: loop.Collect})
	}
}

// CloseWrite ends this side's direction when all that was sent has left; the peer's goes on. Where both have
// ended, the channel has: OnClose follows. The error is ErrHalfClose if the peer's profile has no half close,
// ErrWouldBlock if that is not known yet: it is when OnWritable tells that the peer accepted the channel.
func (ch Channel) CloseWrite() error {
	if !ch.sends() {
		return ErrClosed
	}
	switch known, _, features := ch.conn.lc.Peer(); {
	case !known:
		return ErrWouldBlock
	case features&codec.FeatureFin == 0:
		return ErrHalfClose
	}
	if !ch.arena().Finish(ch.handle) {
		return ErrClosed
	}
	return ch.post(loop.Op{Kind: loop.CloseWrite})
}

// SetPriority changes the channel's priority, 0 (bulk) to 7 (urgent); only its opener can. The peer is told if it
// heeds priorities. The error is ErrWouldBlock if that is not known yet, as for CloseWrite.
func (ch Channel) SetPriority(priority uint8) error {
	if ch.conn == nil || !ch.arena().Live(ch.handle) {
		return ErrClosed
	}
	if priority > maxPriority {
		return fmt.Errorf("engine: priority is %d, not 0 to %d", priority, maxPriority)
	}
	if known, _, _ := ch.conn.lc.Peer(); !known {
		return ErrWouldBlock
	}
	return ch.post(loop.Op{Kind: loop.SetPriority, Priority: priority})
}

// Close ends the channel when all that was sent has left. There is no more OnData; OnClose follows when
// the peer has acknowledged it.
func (ch Channel) Close() error {
	if ch.conn == nil || !ch.arena().Shut(ch.handle) {
		return ErrClosed
	}
	return ch.post(loop.Op{Kind: loop.Close})
}

// Reset ends the channel at once and drops what waits to be sent. The peer learns the code. There is no
// more OnData; OnClose follows, also with that code. A channel that is closing can still be reset.
func (ch Channel) Reset(code Code) error {
	if ch.conn == nil || !ch.arena().Live(ch.handle) {
		return ErrClosed
	}
	ch.arena().Shut(ch.handle)
	return ch.post(loop.Op{Kind: loop.Reset, Code: code})
}

// SetContext attaches a value to the channel; nil for none. It is gone when OnClose has returned.
func (ch Channel) SetContext(v any) {
	if ch.conn != nil && ch.arena().Live(ch.handle) {
		ch.conn.lc.Loop().Contexts.Set(ch.handle, v)
	}
}

// Context returns what SetContext attached, or nil.
func (ch Channel) Context() any {
	if ch.conn == nil {
		return nil
	}
	return ch.conn.lc.Loop().Contexts.Get(ch.handle)
}

// sends returns whether the channel takes bytes, when there is room.
func (ch Channel) sends() bool { return ch.conn != nil && ch.arena().Sends(ch.handle) }

func (ch Channel) arena() *core.Arena { return ch.conn.lc.Loop().Arena }

// post has the loop do op for this channel.
func (ch Channel) post(op loop.Op) error {
	op.Conn, op.Channel = &ch.conn.lc, ch.handle
	if ch.conn.lc.Loop().Post(op) {
		return nil
	}
	return ErrClosed
}

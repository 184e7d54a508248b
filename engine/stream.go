package engine

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/gate"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Stream is a channel with blocking calls: a net.Conn. Its methods may be called from any goroutine, but
// not in callbacks.
//
// What its calls return when it has ended stands in the documentation of the package.
//
// A stream must be closed, whatever ended it.
type Stream struct {
	session  *Session
	ch       Channel
	target   string
	metadata []byte

	read struct {
		gate.Gate
		into   []byte // of a Read that waits: filled straight from the loop's buffer
		filled int
		inbox  inbox
		end    error // nothing more comes
	}

	writing sync.Mutex // one Write at a time: its bytes stay together
	backlog backlog    // guarded by writing
	write   struct {
		gate.Gate
		rounds uint32 // counts OnWritable
		end    error  // nothing more goes
	}
	theirs   bool // the peer opened it
	accepted bool // guarded by write
	finished bool // CloseWrite was called; guarded by write
	closed   bool // by this side; guarded by both gates
	kept     bool // the channel has ended and waits to be let go; guarded by both gates
}

// errOverflow is the reason for which a stream is reset that nobody reads.
const errOverflow = "too much is unread, and memory runs short"

var _ net.Conn = (*Stream)(nil)

func newStream(s *Session) *Stream { return &Stream{session: s} }

// memory is the account of the stream's connection.
func (s *Stream) memory() *core.Budget { return s.session.conn.lc.Memory() }

// Target returns what the opener said the stream is for; empty on streams opened by this side.
func (s *Stream) Target() string { return s.target }

// Metadata returns the opener's metadata; nil on streams opened by this side.
func (s *Stream) Metadata() []byte { return s.metadata }

// Session returns the session the stream belongs to.
func (s *Stream) Session() *Session { return s.session }

// LocalAddr returns the session's local address.
func (s *Stream) LocalAddr() net.Addr { return s.session.LocalAddr() }

// RemoteAddr returns the session's remote address.
func (s *Stream) RemoteAddr() net.Addr { return s.session.RemoteAddr() }

// Read reads what has come, and waits only if there is nothing.
func (s *Stream) Read(p []byte) (n int, err error) {
	r := &s.read
	r.Lock()
	defer r.Unlock()
	for {
		switch {
		case s.cannotRead() != nil:
			return 0, s.cannotRead()
		case len(p) == 0:
			return 0, nil
		case !r.inbox.empty():
			n = r.inbox.read(p, s.memory())
			s.ch.Consume(n)
			return n, nil
		case r.end != nil:
			return 0, r.end
		case r.into != nil: // another Read is to be filled first
			r.Wait()
			continue
		}
		r.into, r.filled = p, 0
		for r.into != nil && r.filled == 0 && s.cannotRead() == nil && r.end == nil {
			r.Wait()
		}
		n, r.into = r.filled, nil
		r.Broadcast() // to another Read that waits for its turn
		if n > 0 {
			s.ch.Consume(n)
			return n, nil
		}
	}
}

// cannotRead returns why a Read fails whatever is there to be read, if it does.
func (s *Stream) cannotRead() error {
	switch r := &s.read; {
	case s.closed, r.end == ErrClosed: // CloseRead
		return ErrClosed
	case r.Expired():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// received is OnData.
func (s *Stream) received(p []byte) {
	r := &s.read
	r.Lock()
	defer r.Unlock()
	if s.closed || r.end != nil {
		s.ch.Consume(len(p)) // CloseRead
		return
	}
	if r.into != nil && r.filled == 0 {
		r.filled = copy(r.into, p)
		p = p[r.filled:]
		r.Broadcast()
	}
	if len(p) > 0 {
		if !r.inbox.add(p, s.session.conn.engine.pool, s.memory()) {
			s.overflow()
		}
		r.Broadcast()
	}
}

// overflow ends the stream: nobody reads what comes, and memory runs short.
func (s *Stream) overflow() {
	s.read.inbox.drop(s.memory())
	s.read.end = &ChannelError{Code: codec.Calm, Reason: errOverflow}
	s.session.conn.engine.overfull.Add(1)
	s.ch.Reset(codec.Calm)
}

// peerEnded is OnEnd.
func (s *Stream) peerEnded() {
	s.read.Lock()
	defer s.read.Unlock()
	if s.read.end == nil {
		s.read.end = io.EOF
	}
	s.read.Broadcast()
}

// Write queues p to be sent and waits while the stream's queue is full. An error tells how much of p was
// queued before it. Nil does not mean that the peer has it.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	cfg := s.session.conn.engine.loopCfg.Core
	size := cfg.FrameSize
	w := &s.write
	for {
		w.Lock()
		rounds := w.rounds
		err := s.cannotWrite()
		w.Unlock()
		if err != nil || len(p) == 0 {
			return n, err
		}
		piece := p[n:min(n+size, len(p))]
		switch err := s.ch.send(piece, s.backlog); {
		case err == nil:
			if n += len(piece); n == len(p) {
				return n, nil // whatever has ended meanwhile
			}
		case err == errStarved && len(piece) > core.Allowance:
			size = core.Allowance // which needs no memory
		case err == errStarved, err == ErrWouldBlock:
			began := time.Now()
			s.waitWritable(rounds)
			s.backlog.waited(time.Since(began), cfg.SendQueue)
		default:
			return n, s.whyNot(err)
		}
	}
}

// cannotWrite returns why a Write fails at once, if it does.
func (s *Stream) cannotWrite() error {
	switch w := &s.write; {
	case s.closed, s.finished:
		return ErrClosed
	case w.Expired():
		return os.ErrDeadlineExceeded
	default:
		return w.end
	}
}

// waitWritable waits until the queue has room, after it had none in the given round.
func (s *Stream) waitWritable(rounds uint32) {
	w := &s.write
	w.Lock()
	defer w.Unlock()
	for w.rounds == rounds && s.cannotWrite() == nil {
		w.Wait()
	}
}

// whyNot returns why the channel took nothing any more: its end is reported soon.
func (s *Stream) whyNot(err error) error {
	w := &s.write
	w.Lock()
	defer w.Unlock()
	for s.cannotWrite() == nil {
		w.Wait()
	}
	return s.cannotWrite()
}

// writable is OnWritable.
func (s *Stream) writable() {
	w := &s.write
	w.Lock()
	defer w.Unlock()
	s.accepted = true
	w.rounds++
	w.Broadcast()
}

// waitAccepted waits until the peer has accepted the stream.
func (s *Stream) waitAccepted(ctx context.Context) error {
	w := &s.write
	w.Lock()
	defer w.Unlock()
	for !s.accepted {
		if w.end != nil {
			return w.end
		}
		if err := w.WaitContext(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ended is OnClose.
func (s *Stream) ended(err error) {
	readEnd, writeEnd := err, err
	if err == nil {
		readEnd, writeEnd = io.EOF, &ChannelError{Code: codec.ClosedError, Remote: true}
	}
	s.read.Lock()
	_, reset := err.(*ChannelError)
	lost := reset && s.read.inbox.drop(s.memory()) > 0 // then it is no clean end, though FIN has come
	if s.read.end == nil || lost {
		s.read.end = readEnd
	}
	s.read.Broadcast()
	s.read.Unlock()
	s.write.Lock()
	s.write.end = writeEnd
	s.write.Broadcast()
	s.write.Unlock()
}

// Close ends the stream. What was written still leaves, in the background; what came and was not read
// is dropped. Reads and writes return ErrClosed from then on.
func (s *Stream) Close() error {
	s.shut()
	s.ch.Close() // which fails if the stream has ended already
	return nil
}

// Reset ends the stream at once and drops what was written and has not left. The peer learns the code.
func (s *Stream) Reset(code Code) error {
	s.shut()
	return s.ch.Reset(code)
}

// shut makes reads and writes fail, and drops what came. Timers that go on would keep the stream in memory.
func (s *Stream) shut() {
	s.write.Lock()
	s.read.Lock()
	s.closed = true
	kept := s.kept
	s.kept = false
	s.read.inbox.drop(s.memory())
	s.read.SetDeadline(time.Time{})
	s.read.Broadcast()
	s.read.Unlock()
	s.write.SetDeadline(time.Time{})
	s.write.Broadcast()
	s.write.Unlock()
	if kept {
		s.ch.post(loop.Op{Kind: loop.Let})
	}
}

// fate returns what becomes of the channel, which has ended.
func (s *Stream) fate() loop.Fate {
	s.write.Lock()
	defer s.write.Unlock()
	s.read.Lock()
	defer s.read.Unlock()
	if s.closed || !s.theirs {
		return loop.Release
	}
	s.kept = true
	return loop.Keep
}

// CloseRead ends reading: what came is dropped, and what comes. The peer may go on writing.
func (s *Stream) CloseRead() error {
	r := &s.read
	r.Lock()
	dropped := r.inbox.drop(s.memory())
	r.end = ErrClosed // also if it was io.EOF: not all was read
	r.Broadcast()
	r.Unlock()
	s.ch.Consume(dropped)
	return nil
}

// CloseWrite ends writing, behind what was written, and leaves reading open: the peer reads io.EOF. Writes return
// ErrClosed from then on. It waits until the peer's profile is known; if that has no half close, the error is
// ErrHalfClose, and nothing is done.
func (s *Stream) CloseWrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	w := &s.write
	for {
		w.Lock()
		rounds := w.rounds
		err := s.cannotWrite()
		w.Unlock()
		if err != nil {
			return err
		}
		switch err := s.ch.CloseWrite(); err {
		case nil:
			w.Lock()
			s.finished = true
			w.Unlock()
			return nil
		case ErrWouldBlock:
			s.waitWritable(rounds)
		case ErrClosed:
			return s.whyNot(err)
		default:
			return err
		}
	}
}

// SetDeadline sets the deadline of reads and writes; zero means none. Once the stream was closed by this side, it
// and the two below return ErrClosed.
func (s *Stream) SetDeadline(t time.Time) error {
	s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of reads; zero means none.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.read.Lock()
	defer s.read.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.read.SetDeadline(t)
	return nil
}

// SetWriteDeadline sets the deadline of writes; zero means none.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.write.SetDeadline(t)
	return nil
}

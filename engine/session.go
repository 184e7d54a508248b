package engine

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/gate"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Session is a connection with blocking calls: streams are opened and accepted on it by either side.
type Session struct {
	conn *Conn
	own  *Engine       // ended with the session; nil if a Listener has it
	done chan struct{} // closed when the connection has ended
	err  error         // why; valid once done is closed
	gone chan struct{} // closed when nothing leaves any more

	closing atomic.Bool // Close was called

	accept  gate.Gate
	backlog []*Stream // opened by the peer, not accepted yet
	ended   bool
}

// Dial connects to a TCP address, "host:port", or a Unix socket, as of Engine.Listen. It blocks until the
// connection stands; ctx bounds that, not the session's life.
func Dial(ctx context.Context, addr string, cfg Config) (*Session, error) {
	return newSession(cfg, func(e *Engine) (*Conn, error) { return e.Dial(ctx, addr) })
}

// Client returns a session over nc, which this side dialled. The session owns nc from then on; if there is an error, nc
// is closed.
func Client(nc net.Conn, cfg Config) (*Session, error) { return over(nc, cfg, (*Engine).Client) }

// Server returns a session over nc, which this side accepted. The session owns nc from then on; if there is an error,
// nc is closed.
func Server(nc net.Conn, cfg Config) (*Session, error) { return over(nc, cfg, (*Engine).Server) }

// over returns the session of nc, and closes nc if there is none.
func over(nc net.Conn, cfg Config, attach func(*Engine, net.Conn) (*Conn, error)) (*Session, error) {
	s, err := newSession(cfg, func(e *Engine) (*Conn, error) { return attach(e, nc) })
	if err != nil {
		nc.Close() // which attach has done, if it was asked
	}
	return s, err
}

// newSession returns the session of the connection that connect makes, with an engine of its own.
func newSession(cfg Config, connect func(*Engine) (*Conn, error)) (*Session, error) {
	if cfg.Handler != nil {
		return nil, errHandler
	}
	if cfg.Loops == 0 {
		cfg.Loops = 1 // for one connection
	}
	cfg.Handler = streams{}
	e, err := Start(cfg)
	if err != nil {
		return nil, err
	}
	c, err := connect(e)
	if err != nil {
		e.Close()
		return nil, err
	}
	s := c.Context().(*Session)
	s.own = e
	return s, nil
}

// Open opens a stream and waits until the peer has accepted it, unless o says otherwise. ctx bounds the
// wait. If the peer refuses the error is a *ChannelError.
func (s *Session) Open(ctx context.Context, o OpenOptions) (*Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closing.Load() {
		return nil, ErrClosed
	}
	st := newStream(s)
	o.Context, o.ManualCredit = st, true
	// The loop may report on the stream before Open returns, so the channel must be known by then.
	st.write.Lock()
	ch, err := s.conn.Open(o)
	st.ch = ch
	st.write.Unlock()
	if err != nil {
		return nil, err
	}
	if o.NoWait {
		return st, nil
	}
	if err := st.waitAccepted(ctx); err != nil {
		st.Reset(codec.Cancelled)
		if ce, ok := err.(*ChannelError); ok && !ce.Remote && s.closing.Load() {
			return nil, ErrClosed // it was Close that refused it
		}
		return nil, err
	}
	return st, nil
}

// Accept waits for a stream that the peer opens, which must be closed in the end: until then it counts for
// Config.MaxChannels, also when the peer has ended it. When the session has ended it returns why: ErrClosed if
// this side closed it.
func (s *Session) Accept(ctx context.Context) (*Stream, error) {
	s.accept.Lock()
	defer s.accept.Unlock()
	for len(s.backlog) == 0 {
		if s.ended {
			return nil, s.Err()
		}
		if err := s.accept.WaitContext(ctx); err != nil {
			return nil, err
		}
	}
	st := s.backlog[0]
	s.backlog[0] = nil
	if s.backlog = s.backlog[1:]; len(s.backlog) == 0 {
		s.backlog = nil
	}
	return st, nil
}

// Ping measures the round trip time to the peer. It blocks.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) { return s.conn.Ping(ctx) }

// Close ends the session and its streams, also those that nobody has accepted. What was written gets a second to
// leave; then the peer is told. Close waits for all that, for two seconds at most.
func (s *Session) Close() error {
	s.closing.Store(true)
	s.conn.Close()
	<-s.gone
	s.forgetAll()
	if s.own != nil {
		return s.own.Close()
	}
	return nil
}

// Shutdown tells the peer that no new streams are taken, and waits until those there are have ended,
// within Timeouts.Drain, or until ctx is done, whose error it returns then, by errors.Is. The session is
// closed in both cases.
func (s *Session) Shutdown(ctx context.Context) error {
	s.conn.GoAway()
	select {
	case <-s.gone:
	case <-ctx.Done():
	}
	return errors.Join(ctx.Err(), s.Close())
}

// Done is closed when the session has ended, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns nil while the session lives; then ErrClosed if it was closed by this side or cleanly by the
// peer, or a *ConnError.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// LocalAddr returns the local address of the transport.
func (s *Session) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr returns the peer's address.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Socket returns what the kernel made of the socket's options, as Conn.Socket does.
func (s *Session) Socket() (SocketConfig, error) { return s.conn.Socket() }

// Stats returns the counters of the session, or of the listener that it came from.
func (s *Session) Stats() Stats { return s.conn.engine.Stats() }

// streams is the Handler that sessions and their streams are made of.
type streams struct{ accepted func(*Session) }

// OnConnect makes the session of a connection.
func (h streams) OnConnect(c *Conn) {
	s := &Session{conn: c, done: make(chan struct{}), gone: make(chan struct{})}
	c.SetContext(s)
	if c.engine.cfg.Authorize == nil {
		h.admit(s)
	}
}

// admit hands a session over, of a client that was let in.
func (h streams) admit(s *Session) {
	if h.accepted != nil {
		h.accepted(s)
	}
}

// OnDisconnect ends it. Its streams have been told before.
func (h streams) OnDisconnect(c *Conn, err error) {
	s := c.Context().(*Session)
	s.accept.Lock()
	defer s.accept.Unlock()
	s.ended = true
	if s.err = err; err == nil {
		s.err = ErrClosed
	}
	s.accept.Broadcast()
	close(s.done)
}

// OnOpen puts a stream into the backlog.
func (h streams) OnOpen(ch Channel, r OpenRequest) Answer {
	s := ch.conn.Context().(*Session)
	s.accept.Lock()
	defer s.accept.Unlock()
	if len(s.backlog) >= ch.conn.engine.cfg.AcceptBacklog {
		return Answer{Code: Refused}
	}
	st := newStream(s)
	st.ch, st.accepted, st.theirs = ch, true, true
	st.target, st.metadata = string(r.Target), append([]byte(nil), r.Metadata...)
	ch.SetContext(st)
	s.backlog = append(s.backlog, st)
	s.accept.Broadcast()
	return Answer{ManualCredit: true}
}

func (h streams) OnData(ch Channel, p []byte)   { ch.Context().(*Stream).received(p) }
func (h streams) OnWritable(ch Channel)         { ch.Context().(*Stream).writable() }
func (h streams) OnEnd(ch Channel)              { ch.Context().(*Stream).peerEnded() }
func (h streams) OnClose(ch Channel, err error) { ch.Context().(*Stream).ended(err) }

// fate is what becomes of a channel that ended with err: those the peer opened are kept until the
// application closes their stream, so that a peer has no more of its goroutines than channels. One that
// was reset before anybody accepted it is none any more.
func (h streams) fate(ch Channel, err error) loop.Fate {
	st := ch.Context().(*Stream)
	if _, reset := err.(*ChannelError); reset && st.session.forget(st) {
		return loop.Useless
	}
	return st.fate()
}

// forget takes a stream out of the backlog, and returns whether it was there.
func (s *Session) forget(st *Stream) bool {
	s.accept.Lock()
	defer s.accept.Unlock()
	i := slices.Index(s.backlog, st)
	if i < 0 {
		return false
	}
	s.backlog = slices.Delete(s.backlog, i, i+1)
	return true
}

// forgetAll gives up what nobody has accepted of a session that has ended.
func (s *Session) forgetAll() {
	s.accept.Lock()
	defer s.accept.Unlock()
	for _, st := range s.backlog {
		st.Close()
	}
	s.backlog = nil
}

// gone takes note that nothing leaves any more.
func (h streams) gone(c *Conn) { close(c.Context().(*Session).gone) }

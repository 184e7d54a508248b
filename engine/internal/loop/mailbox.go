package loop

import (
	"sync"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

// Op is something for a loop to do, posted from any goroutine.
type Op struct {
	Kind     OpKind
	Traits   core.Traits // Open
	Priority uint8       // SetPriority
	Code     codec.Code  // Reset
	size     uint32      // sendCopy: of the message, among the bytes of the mail
	Channel  core.Handle
	Conn     *Conn
	Buf      *pool.Buf // Open, Send: passed on
	Func     func()    // Call, cast
}

// OpKind says what is to be done, mostly by the method of core.Conn that is called so.
type OpKind uint8

// The kinds of Op. Let is for a channel whose Fate was Keep. Call and cast run Func inside the loop; cast writes.
const (
	Open OpKind = iota
	Send
	sendCopy
	Collect
	Starve
	SetPriority
	CloseWrite
	Close
	Reset
	Let
	Call
	cast
)

// mail is what was posted, in order, and the short messages among it, one behind the other.
type mail struct {
	ops   []Op
	bytes []byte
}

// copyLimit is the longest message that is copied into the mail; larger ones come in a buffer.
const copyLimit = 512

// keepMail is how large mail may be that is used again, in operations and in bytes.
const (
	keepOps   = 16 << 10
	keepBytes = 1 << 20
)

// mailbox is where other goroutines leave what they want done. Two mails take turns, so that posting
// does not allocate in steady state.
type mailbox struct {
	mu     sync.Mutex
	in     mail
	spare  mail
	awake  bool // somebody is inside the loop, or on the way, and will look here before leaving
	closed bool // nobody will look any more
}

// post appends op, for sendCopy with a copy of p, and returns whether somebody has to be woken for it. It is called
// for each message: hence no defer, and op is copied once.
func (m *mailbox) post(op *Op, p []byte) (wake, ok bool) {
	m.mu.Lock()
	if ok = !m.closed; ok {
		m.in.ops = append(m.in.ops, *op)
		m.in.bytes = append(m.in.bytes, p...)
		wake = !m.awake
		m.awake = true
	}
	m.mu.Unlock()
	return wake, ok
}

// postAll appends ops, all of them or none.
func (m *mailbox) postAll(ops []Op) (wake, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, false
	}
	m.in.ops = append(m.in.ops, ops...)
	wake = !m.awake
	m.awake = true
	return wake, true
}

// enter tells that somebody is inside.
func (m *mailbox) enter() {
	m.mu.Lock()
	m.awake = true
	m.mu.Unlock()
}

// take returns the mail, which is the caller's until the next call. If there is none and leave is set,
// nobody is inside any more.
func (m *mailbox) take(leave bool) mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.in.ops) == 0 {
		m.awake = !leave
		return mail{}
	}
	got := m.in
	m.in, m.spare = mail{m.spare.ops[:0], m.spare.bytes[:0]}, got
	if cap(got.ops) > keepOps {
		m.spare.ops = nil
	}
	if cap(got.bytes) > keepBytes {
		m.spare.bytes = nil
	}
	return got
}

// close refuses what is posted from now on and returns what was.
func (m *mailbox) close() mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	got := m.in
	m.in, m.spare = mail{}, mail{}
	return got
}

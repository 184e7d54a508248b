package file

import (
	"container/list"
	"errors"
	"os"
	"strings"
	"syscall"

	"github.com/sscd-io/sscd/engine"
)

// Handler serves files. Use it by pointer; one serves any number of channels.
//
// Files are looked up and opened on goroutines of their own, since a disk may take its time.
type Handler struct {
	// Root is the directory; without one all files are refused with engine.Refused. It is borrowed: close it behind
	// the engine.
	Root *os.Root

	// MaxFiles is how many transfers there may be at a time, each of which holds a descriptor until the range has
	// left; 0 means 128. More are refused with engine.Refused. A connection may have no more of them than it leaves
	// free for others, half if it is the only one: what it asks for beyond that is refused with TooMany.
	MaxFiles int

	shares shares
}

// defaultMaxFiles is half of the descriptors that engines leave for other things than connections.
const defaultMaxFiles = 128

var _ engine.HalfCloser = (*Handler)(nil)

// transfer is a channel on which a file goes.
type transfer struct {
	conn *engine.Conn
	wake chan struct{} // has one since the channel took messages again, or ended

	// What follows belongs to shares.
	place *list.Element   // there; nil once it is counted no more
	file  syscall.RawConn // nil while it is being opened
}

// closed returns whether the transfer has had its file, and nobody uses that any more.
func (t *transfer) closed() bool { return t.file != nil && t.file.Control(func(uintptr) {}) != nil }

// woken has await go on.
func (t *transfer) woken() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// await repeats what would block whenever it may do so no more.
func (t *transfer) await(send func() error) error {
	for {
		err := send()
		if !errors.Is(err, engine.ErrWouldBlock) {
			return err
		}
		<-t.wake
	}
}

// Serves returns whether OnOpen of a Handler accepted the channel. So an application with other targets too knows
// whose the calls for a channel are.
func Serves(ch engine.Channel) bool {
	_, ok := ch.Context().(*transfer)
	return ok
}

// OnOpen implements engine.Handler.
func (h *Handler) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	path, ok := strings.CutPrefix(string(r.Target), Prefix)
	if !ok || h.Root == nil {
		return engine.Answer{Code: engine.Refused}
	}
	part, err := parseRange(r.Metadata)
	if err != nil {
		return engine.Answer{Code: BadRange}
	}
	limit := h.MaxFiles
	if limit == 0 {
		limit = defaultMaxFiles
	}
	t := &transfer{conn: ch.Conn(), wake: make(chan struct{}, 1)}
	if code := h.shares.book(t, limit); code != engine.NoError {
		return engine.Answer{Code: code}
	}
	ch.SetContext(t)
	go func() {
		if code := h.send(ch, t, path, part); code != engine.NoError {
			h.shares.release(t)
			ch.Reset(code)
		}
	}()
	return engine.Answer{}
}

// send queues the answer and the end behind it, or returns why not.
func (h *Handler) send(ch engine.Channel, t *transfer, path string, part Range) engine.Code {
	f, header, code := open(h.Root, path)
	if code != engine.NoError {
		return code
	}
	n, ok := part.Of(header.Size)
	if !ok {
		f.Close()
		return BadRange
	}
	raw, err := f.SyscallConn()
	if err == nil {
		h.shares.opened(t, raw)
		err = t.await(func() error { return ch.Send(header.Append(nil)) })
	}
	if err == nil {
		err = t.await(func() error { return ch.SendFile(f, part.From, n) })
	}
	if err != nil {
		f.Close()
		return engine.Internal
	}
	if ch.CloseWrite() != nil { // f is the engine's
		ch.Close() // a peer that takes no FIN
	}
	return engine.NoError
}

// OnData implements engine.Handler. It drops what comes.
func (h *Handler) OnData(engine.Channel, []byte) {}

// OnEnd implements engine.HalfCloser. A client may have nothing to say and wait for the file.
func (h *Handler) OnEnd(engine.Channel) {}

// OnWritable implements engine.Handler. It has a transfer go on for which the channel had no room.
func (h *Handler) OnWritable(ch engine.Channel) {
	if t, ok := ch.Context().(*transfer); ok {
		t.woken()
	}
}

// OnClose implements engine.Handler.
func (h *Handler) OnClose(ch engine.Channel, _ error) {
	t := ch.Context().(*transfer)
	t.woken()
	h.shares.ended(t)
}

package file

import (
	"os"
	"strings"
	"sync/atomic"

	"github.com/sscd-io/sscd/engine"
)

// Handler serves files. Use it by pointer; one serves any number of channels.
//
// It looks files up on the loop of the connection, so the directory should be on a disk of this machine.
type Handler struct {
	// Root is the directory. It is borrowed: close it behind the engine.
	Root *os.Root

	// MaxFiles is how many transfers there may be at a time, each of which holds a descriptor; 0 means 128. More
	// are refused with engine.Refused.
	MaxFiles int

	files atomic.Int64
}

// defaultMaxFiles is half of the descriptors that engines leave for other things than connections.
const defaultMaxFiles = 128

var _ engine.HalfCloser = (*Handler)(nil)

// transfer is a channel on which a file goes.
type transfer struct {
	f         *os.File // nil if this package has not to close it any more
	off, left int64    // what is not queued yet
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
	if !ok {
		return engine.Answer{Code: engine.Refused}
	}
	part, err := parseRange(r.Metadata)
	if err != nil {
		return engine.Answer{Code: BadRange}
	}
	if !h.book() {
		return engine.Answer{Code: engine.Refused}
	}
	code := h.begin(ch, path, part)
	if code != engine.NoError {
		h.files.Add(-1)
	}
	return engine.Answer{Code: code}
}

// book counts one more transfer, if there may be one.
func (h *Handler) book() bool {
	limit := int64(h.MaxFiles)
	if limit == 0 {
		limit = defaultMaxFiles
	}
	if h.files.Add(1) > limit {
		h.files.Add(-1)
		return false
	}
	return true
}

// begin sends what the channel takes, or returns why the file is refused.
func (h *Handler) begin(ch engine.Channel, path string, part Range) engine.Code {
	f, header, code := open(h.Root, path)
	if code != engine.NoError {
		return code
	}
	n, ok := part.Of(header.Size)
	if !ok {
		f.Close()
		return BadRange
	}
	if ch.Send(header.Append(nil)) != nil {
		f.Close()
		return engine.Refused
	}
	t := &transfer{f: f, off: part.From, left: n}
	ch.SetContext(t)
	t.advance(ch)
	return engine.NoError
}

// advance queues what the channel takes, and ends it behind the last byte.
func (t *transfer) advance(ch engine.Channel) {
	sent, err := send(ch, t.f, t.off, t.left)
	t.off += sent
	t.left -= sent
	switch err {
	case nil:
		t.f = nil
		if ch.CloseWrite() != nil {
			ch.Close() // a peer that takes no FIN
		}
	case engine.ErrWouldBlock, engine.ErrClosed: // OnWritable or OnClose follows
	default:
		ch.Reset(engine.Internal)
	}
}

// OnData implements engine.Handler. It drops what comes.
func (h *Handler) OnData(engine.Channel, []byte) {}

// OnEnd implements engine.HalfCloser. A client may have nothing to say and wait for the file.
func (h *Handler) OnEnd(engine.Channel) {}

// OnWritable implements engine.Handler.
func (h *Handler) OnWritable(ch engine.Channel) {
	if t := ch.Context().(*transfer); t.f != nil {
		t.advance(ch)
	}
}

// OnClose implements engine.Handler.
func (h *Handler) OnClose(ch engine.Channel, _ error) {
	if t := ch.Context().(*transfer); t.f != nil {
		t.f.Close()
	}
	h.files.Add(-1)
}

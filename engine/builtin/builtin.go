// Package builtin is the application that sscd serves: a handler for three targets, with which a
// connection can be tried and measured.
//
//	echo      sends back what comes; also what an empty target means
//	discard   reads and drops what comes
//	source:N  sends N bytes, then closes; without :N it never ends
//
// Where the peer ends its direction only, echo ends its own when all has gone back, discard closes, and source
// goes on.
package builtin

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/pool"
)

// Handler serves the targets. Use it by pointer, made with New; one serves any number of channels.
//
// A channel's context says what it is for: nil is an echo with nothing to remember, so that an idle
// channel costs no more than the engine needs for it.
type Handler struct {
	block *pool.Buf // what sources send, shared by all
}

// blockBytes is how much a source sends at a time.
const blockBytes = 16 << 10

// shortBytes is what is always taken of a channel on which nothing waits, however little memory is left.
const shortBytes = 4 << 10

// New returns a Handler.
func New() *Handler {
	h := &Handler{block: new(pool.Pool).Get(blockBytes)}
	for i := range h.block.B {
		h.block.B[i] = byte(i)
	}
	return h
}

// echo is a channel whose peer does not take back what it sent as fast as it sends.
type echo struct {
	kept  []byte
	ended bool // the peer's direction has
}

// discard is a channel that reads and drops.
type discard struct{}

// source is a channel that sends.
type source struct{ left int64 }

// OnOpen implements engine.Handler.
func (h *Handler) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	switch string(r.Target) {
	case "", "echo":
		return engine.Answer{ManualCredit: true, Compress: true}
	case "discard":
		ch.SetContext(discard{})
		return engine.Answer{}
	}
	if n, err := parseSource(string(r.Target)); err == nil {
		s := &source{n}
		ch.SetContext(s)
		h.fill(ch, s)
		return engine.Answer{Compress: true}
	}
	return engine.Answer{Code: engine.Refused}
}

// parseSource reads source or source:N.
func parseSource(target string) (int64, error) {
	rest, ok := strings.CutPrefix(target, "source")
	if !ok {
		return 0, fmt.Errorf("builtin: no target %q", target)
	}
	if rest == "" {
		return math.MaxInt64, nil
	}
	digits, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return 0, fmt.Errorf("builtin: no target %q", target)
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	return int64(n), err
}

// OnData implements engine.Handler.
func (h *Handler) OnData(ch engine.Channel, p []byte) {
	switch c := ch.Context().(type) {
	case nil:
		if ch.Send(p) == nil {
			ch.Consume(len(p))
			return
		}
		// Bytes that are kept give the peer no window, so there are never more than one window of them.
		ch.SetContext(&echo{kept: append([]byte(nil), p...)})
	case *echo:
		c.kept = append(c.kept, p...)
	}
}

// OnWritable implements engine.Handler.
func (h *Handler) OnWritable(ch engine.Channel) {
	switch c := ch.Context().(type) {
	case *echo:
		for len(c.kept) > 0 {
			n := min(len(c.kept), blockBytes)
			if ch.Send(c.kept[:n]) != nil {
				if n = min(n, shortBytes); ch.Send(c.kept[:n]) != nil {
					return
				}
			}
			ch.Consume(n)
			c.kept = c.kept[n:]
		}
		if ch.SetContext(nil); c.ended {
			end(ch)
		}
	case *source:
		h.fill(ch, c)
	}
}

// OnEnd implements engine.HalfCloser.
func (h *Handler) OnEnd(ch engine.Channel) {
	switch c := ch.Context().(type) {
	case nil:
		end(ch)
	case *echo:
		c.ended = true
	case discard:
		ch.Close()
	}
}

// end ends our direction of a channel whose peer has ended its own.
func end(ch engine.Channel) {
	if ch.CloseWrite() != nil {
		ch.Close() // a peer that sends FIN and takes none
	}
}

// OnClose implements engine.Handler.
func (h *Handler) OnClose(engine.Channel, error) {}

// fill sends what the channel's queue takes, and closes the channel behind the last byte.
func (h *Handler) fill(ch engine.Channel, s *source) {
	for s.left >= blockBytes {
		h.block.Retain()
		if ch.SendBuf(h.block) != nil {
			h.block.Release()
			return
		}
		s.left -= blockBytes
	}
	if ch.Send(h.block.B[:s.left]) == nil {
		s.left = 0
		ch.Close()
	}
}

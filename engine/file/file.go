// Package file serves the files below a directory, built on the API of package engine alone.
//
// The target file:PATH, with slashes, names a file. The channel's metadata may say which part of it: 8 bytes for the
// offset, or 16 for the offset and the length, big-endian; without it all is meant. What comes is 8 bytes, big-endian,
// that say how many bytes follow, then those. Behind them this side ends its direction, or closes the channel if the
// peer's profile has no half close. A file that can't be sent resets the channel with one of the codes below.
package file

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/sscd-io/sscd/engine"
)

// The codes with which a channel is reset.
const (
	NotFound   engine.Code = 256 + iota
	Forbidden              // or not below the root
	NotRegular             // a directory, a device, ...
	BadRange               // metadata that is no range, or a range that the file does not have
)

// HeadSize is how many bytes come before those of the file.
const HeadSize = 8

// maxOpening is how many files are opened at a time, which may wait for disks.
const maxOpening = 16

// Handler serves files, and passes channels for other targets on. Use it by pointer, made with New.
type Handler struct {
	engine.Handler // for other targets

	root    *os.Root
	opening chan struct{}
}

// New returns a Handler for the files below root, which must stay open, and for the targets of other.
func New(root *os.Root, other engine.Handler) *Handler {
	return &Handler{Handler: other, root: root, opening: make(chan struct{}, maxOpening)}
}

// sending is the context of a channel that a file is for.
type sending struct{}

// OnOpen implements engine.Handler.
func (h *Handler) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	name, ok := strings.CutPrefix(string(r.Target), "file:")
	if !ok {
		return h.Handler.OnOpen(ch, r)
	}
	p, ok := parsePart(r.Metadata)
	if !ok {
		return engine.Answer{Code: BadRange}
	}
	ch.SetContext(sending{})
	go func() {
		h.opening <- struct{}{}
		code := h.send(ch, strings.TrimLeft(name, "/"), p)
		<-h.opening
		if code != engine.NoError {
			ch.Reset(code)
		}
	}()
	return engine.Answer{}
}

// part is a part of a file: from off on, n bytes or all if that is negative.
type part struct{ off, n int64 }

// parsePart reads metadata.
func parsePart(b []byte) (p part, ok bool) {
	p.n = -1
	if len(b) != 0 && len(b) != 8 && len(b) != 16 {
		return p, false
	}
	if len(b) >= 8 {
		p.off = int64(binary.BigEndian.Uint64(b))
	}
	if len(b) == 16 {
		if p.n = int64(binary.BigEndian.Uint64(b[8:])); p.n < 0 {
			return p, false
		}
	}
	return p, p.off >= 0
}

// send queues a part of a file, and the end of this side's direction.
func (h *Handler) send(ch engine.Channel, name string, p part) engine.Code {
	info, err := h.root.Stat(name)
	if err != nil {
		return codeOf(err)
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for its other end
		return NotRegular
	}
	if p.n < 0 {
		p.n = info.Size() - p.off
	}
	if p.n < 0 || p.off > info.Size()-p.n {
		return BadRange
	}
	f, err := h.root.Open(name)
	if err != nil {
		return codeOf(err)
	}
	err = ch.Send(binary.BigEndian.AppendUint64(nil, uint64(p.n)))
	if err == nil {
		err = ch.SendFile(f, p.off, p.n)
	}
	if err != nil {
		f.Close()
		if errors.Is(err, engine.ErrWouldBlock) { // nothing waits on the channel: it is memory that lacks
			return engine.Calm
		}
		return engine.Internal
	}
	if ch.CloseWrite() != nil {
		ch.Close()
	}
	return engine.NoError
}

// codeOf is what an error of the root means to the peer.
func codeOf(err error) engine.Code {
	if errors.Is(err, fs.ErrNotExist) {
		return NotFound
	}
	return Forbidden // by the system, or by the root: what escapes it has no error of its own
}

// OnData implements engine.Handler. What peers say on a file's channel is dropped.
func (h *Handler) OnData(ch engine.Channel, p []byte) {
	if ch.Context() != (sending{}) {
		h.Handler.OnData(ch, p)
	}
}

// OnWritable implements engine.Handler.
func (h *Handler) OnWritable(ch engine.Channel) {
	if ch.Context() != (sending{}) {
		h.Handler.OnWritable(ch)
	}
}

// OnEnd implements engine.HalfCloser. A file goes on.
func (h *Handler) OnEnd(ch engine.Channel) {
	if ch.Context() == (sending{}) {
		return
	}
	if other, ok := h.Handler.(engine.HalfCloser); ok {
		other.OnEnd(ch)
	} else {
		ch.Close()
	}
}

// OnClose implements engine.Handler.
func (h *Handler) OnClose(ch engine.Channel, err error) {
	if ch.Context() != (sending{}) {
		h.Handler.OnClose(ch, err)
	}
}

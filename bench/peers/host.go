package main

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// Of streams, in bytes: what bulk is written and read in, and what echoes read.
const (
	blockBytes = 64 << 10
	echoBytes  = 4 << 10
)

// host is what a server's streams have in common.
type host struct {
	cfg    settings
	opened atomic.Uint64 // streams that have come

	mu    sync.Mutex
	group []chan struct{} // a message is to be sent
}

// stream does what a stream is for until it ends.
func (h *host) stream(u use, s io.ReadWriter) {
	h.opened.Add(1)
	switch u {
	case download, bulk:
		for p := make([]byte, blockBytes); ; {
			if _, err := s.Write(p); err != nil {
				return
			}
		}
	case upload:
		for p := make([]byte, blockBytes); ; {
			if _, err := s.Read(p); err != nil {
				return
			}
		}
	case idle:
		readUse(s) // until it ends: nothing comes
	case opening:
		s.Write([]byte{0})
	case file:
		h.send(s)
	case member:
		h.join(s)
	case trigger:
		for p := make([]byte, 1); ; {
			if _, err := s.Read(p); err != nil {
				return
			}
			h.cast()
		}
	default:
		echo(s)
	}
}

// serve is stream for streams whose use is their first byte.
func (h *host) serve(s io.ReadWriteCloser) {
	defer s.Close()
	if u, err := readUse(s); err == nil {
		h.stream(u, s)
	}
}

// echo sends back what comes.
func echo(s io.ReadWriter) {
	p := make([]byte, echoBytes)
	for {
		n, err := s.Read(p)
		if err != nil {
			return
		}
		if _, err := s.Write(p[:n]); err != nil {
			return
		}
	}
}

// send sends the file again and again, in the way that the stream knows, if it has one.
func (h *host) send(s io.Writer) {
	f, err := os.Open(h.cfg.File)
	if err != nil {
		return
	}
	defer f.Close()
	p := make([]byte, blockBytes)
	for err == nil {
		if _, err = f.Seek(0, io.SeekStart); err != nil {
			return
		}
		if to, ok := s.(io.ReaderFrom); ok {
			_, err = to.ReadFrom(f)
		} else {
			_, err = io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{f}, p)
		}
	}
}

// join has a stream's goroutine write a message each time it is told to.
func (h *host) join(s io.Writer) {
	told := make(chan struct{}, 1)
	h.mu.Lock()
	h.group = append(h.group, told)
	h.mu.Unlock()
	message := make([]byte, h.cfg.Size)
	for range told {
		if _, err := s.Write(message); err != nil {
			return
		}
	}
}

// cast tells all.
func (h *host) cast() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, told := range h.group {
		select {
		case told <- struct{}{}:
		default:
		}
	}
}

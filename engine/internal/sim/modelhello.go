package sim

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// HELLO, and an extended peer's answer to it, begin so.
const (
	helloAsk    = "\x00\x00\x00\x00SSC?"
	helloAnswer = "\x00\x00\x00\x00SSC!"
)

// modelPeer is what the script said in HELLO. The zero value is a base peer.
type modelPeer struct {
	extended bool
	frame    int64 // the longest DATA it takes
	window   int64 // of channels it opens
	conn     int64 // of the connection; 0 for none
	features int64
	channels int64 // it allows
}

// The features of parameter 4.
const (
	offersFin       = 1
	offersHeaderCRC = 2
	offersZlib      = 4
	offersPriority  = 8
)

// parse reads the parameters of HELLO (SPEC section 3), and returns whether they are right.
func (p *modelPeer) parse(b []byte) bool {
	*p = modelPeer{extended: true, frame: 65536, window: 65536, channels: 65536}
	return eachParam(b, func(t byte, v []byte) bool {
		number := func(to *int64, lo, hi int64) bool {
			if len(v) != 4 {
				return false
			}
			*to = int64(binary.BigEndian.Uint32(v))
			return *to >= lo && *to <= hi
		}
		switch t {
		case 1:
			return number(&p.frame, 4096, 1<<20)
		case 2:
			return number(&p.window, 0, maxWindow)
		case 3:
			return number(&p.conn, 0, maxWindow) && (p.conn == 0 || p.conn >= 65536)
		case 4:
			return number(&p.features, 0, 1<<32-1)
		case 5:
			return number(&p.channels, 0, 1<<32-1)
		case 6:
			return len(v) <= 1024
		case 7:
			return len(v) <= 64 && utf8.Valid(v)
		}
		return true
	})
}

// eachParam calls f for each of the parameters in b, and returns whether they are right and f says so of each.
func eachParam(b []byte, f func(t byte, v []byte) bool) bool {
	var seen [256]bool
	for len(b) > 0 {
		if len(b) < 3 || seen[b[0]] {
			return false
		}
		t, n := b[0], int(b[1])<<8|int(b[2])
		seen[t] = true
		if len(b) < 3+n || !f(t, b[3:3+n]) {
			return false
		}
		b = b[3+n:]
	}
	return true
}

// greet takes the first frame, and returns whether it was HELLO or the answer to it.
func (m *model) greet(w *World, f *wireFrame) bool {
	typ, says := byte(6), helloAsk
	if m.client {
		typ, says = 7, helloAnswer
	}
	if !w.setup.Extended || f.typ != typ || f.channel != 0 || f.flags != 0 ||
		!bytes.HasPrefix(f.payload, []byte(says)) {
		for id, c := range m.chans {
			if m.ours(id) { // a base peer knows of one window only
				c.window, c.start = int64(w.setup.Window), int64(w.setup.Window)
			}
		}
		return false
	}
	var p modelPeer
	if !p.parse(f.payload[len(says):]) {
		m.fail(codec.ProtocolError)
		return true
	}
	m.peer, m.echo = p, false
	m.in, m.out = int64(w.setup.ConnWindow), p.conn-m.left
	if !m.client {
		m.hello = true
		m.pongs = append(m.pongs, nil)
	}
	return true
}

// limits are what the core's checks of the next frame depend on.
func (m *model) limits(w *World) (l codectest.Limits) {
	switch {
	case m.peer.extended:
		l.Data, l.HeaderCRC = uint32(w.setup.MaxFrame), true
	case m.heard:
		if m.client && w.setup.Extended && !m.echoed {
			l.Pong = 2048
		}
	case m.client:
		l.Pong = 2048
	default:
		l.Ping = 2048
	}
	return l
}

// ping is PING: it is answered, but not more than four at a time.
func (m *model) ping(w *World, p []byte, first bool) {
	m.hello = m.hello || first
	if len(m.pongs) == 4 {
		i := 0
		if m.hello {
			i = 1
		}
		m.pongs = slices.Delete(m.pongs, i, i+1)
		if !m.token(w, 1) {
			return
		}
	}
	m.pongs = append(m.pongs, slices.Clone(p))
}

// pong is PONG. Of our PINGs, only the last few may still be answered.
func (m *model) pong(w *World, p []byte) {
	if m.echo && bytes.HasPrefix(p, []byte(helloAsk)) { // a base peer's echo of HELLO
		m.echo, m.echoed = false, true
		return
	}
	for i, sent := range m.pings {
		if string(sent) != string(p) {
			continue
		}
		if len(m.got) <= len(m.want) || m.got[len(m.want)].kind != core.Ponged {
			break // it was forgotten for newer ones
		}
		m.pings = slices.Delete(m.pings, 0, i+1)
		m.echo = false // it was asked before
		m.expect(core.Ponged, 0, 0)
		return
	}
	m.token(w, 1)
}

// sawPong takes a PONG that the core sends.
func (m *model) sawPong(w *World, f *wireFrame) {
	m.answers += f.size
	ok := len(m.pongs) > 0
	if ok && m.hello && m.peer.extended {
		var p modelPeer
		ok = bytes.HasPrefix(f.payload, []byte(helloAnswer)) && p.parse(f.payload[len(helloAnswer):])
	} else if ok {
		ok = string(m.pongs[0]) == string(f.payload)
	}
	if m.hello = false; !ok {
		w.failf("reference model", "a PONG leaves that answers nothing, or not what is next")
		return
	}
	m.pongs = m.pongs[1:]
}

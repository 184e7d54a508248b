package core

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"time"
	"unicode/utf8"

	"github.com/sscd-io/sscd/codec"
)

// HELLO (SPEC section 3): the client's first frame is a PING that a base peer echoes and an extended one
// answers. From the first frame it reads, each side knows the other's profile for good.
var (
	helloAsk    = []byte("\x00\x00\x00\x00SSC?")
	helloAnswer = []byte("\x00\x00\x00\x00SSC!")
)

// Hello is what a side says of itself in HELLO.
type Hello struct {
	Frame       uint32 // largest DATA payload it accepts
	Window      uint32 // initial receive window of channels it opens
	ConnWindow  uint32 // receive window of the connection; 0 for none
	Channels    uint32 // it allows open at once
	Features    codec.Features
	Credentials []byte // nil if there are none
	Software    []byte
}

var (
	errHelloSize     = errors.New("parameter of HELLO is not four bytes")
	errHelloRange    = errors.New("parameter of HELLO is out of range")
	errHelloTooLong  = errors.New("parameter of HELLO is too long")
	errHelloSoftware = errors.New("software in HELLO is not UTF-8")
)

// ParseHello reads HELLO's parameters, which stand behind the first eight bytes of its payload. The slices of
// the result alias p.
func ParseHello(p []byte) (Hello, error) {
	h := Hello{Frame: codec.MaxData, Window: startWindow, Channels: 65536}
	err := codec.ParseParams(p, func(t codec.ParamType, v []byte) error {
		number := func(to *uint32, lo, hi uint32) error {
			if len(v) != 4 {
				return errHelloSize
			}
			if n := binary.BigEndian.Uint32(v); n >= lo && n <= hi {
				*to = n
				return nil
			}
			return errHelloRange
		}
		switch t {
		case codec.HelloFrame:
			return number(&h.Frame, codec.SmallestFrame, codec.LargestData)
		case codec.HelloWindow:
			return number(&h.Window, 0, maxWindow)
		case codec.HelloConnWindow:
			if err := number(&h.ConnWindow, 0, maxWindow); err != nil {
				return err
			}
			if h.ConnWindow != 0 && h.ConnWindow < startWindow {
				return errHelloRange
			}
		case codec.HelloFeatures:
			return number((*uint32)(&h.Features), 0, math.MaxUint32)
		case codec.HelloChannels:
			return number(&h.Channels, 0, math.MaxUint32)
		case codec.HelloCredentials:
			if h.Credentials = v; len(v) > codec.MaxCredentials {
				return errHelloTooLong
			}
		case codec.HelloSoftware:
			if h.Software = v; len(v) > codec.MaxSoftware {
				return errHelloTooLong
			}
			if !utf8.Valid(v) {
				return errHelloSoftware
			}
		}
		return nil
	})
	return h, err
}

// Append appends the parameters to b, leaving out those with the default value.
func (h *Hello) Append(b []byte) []byte {
	number := func(t codec.ParamType, n, usual uint32) {
		if n != usual {
			b = codec.AppendParam(b, t, binary.BigEndian.AppendUint32(nil, n))
		}
	}
	number(codec.HelloFrame, h.Frame, codec.MaxData)
	number(codec.HelloWindow, h.Window, startWindow)
	number(codec.HelloConnWindow, h.ConnWindow, 0)
	number(codec.HelloFeatures, uint32(h.Features), 0)
	number(codec.HelloChannels, h.Channels, 65536)
	if h.Credentials != nil {
		b = codec.AppendParam(b, codec.HelloCredentials, h.Credentials)
	}
	if len(h.Software) > 0 {
		b = codec.AppendParam(b, codec.HelloSoftware, h.Software)
	}
	return b
}

// prepareHello makes what this side says, as a client and as a server.
func (c *Config) prepareHello() {
	h := Hello{
		Frame: uint32(c.MaxFrame), Window: uint32(c.Window), ConnWindow: uint32(c.ConnWindow),
		Channels: uint32(c.MaxChannels), Features: c.offers(), Software: []byte(c.Software),
	}
	c.answer = h.Append(bytes.Clone(helloAnswer))
	h.Credentials = c.Credentials
	c.ask = h.Append(bytes.Clone(helloAsk))
}

// offers is what this side can receive beyond the base profile.
func (c *Config) offers() codec.Features {
	f := codec.FeatureFin | codec.FeatureHeaderCRC | codec.FeaturePriority
	if c.Compression {
		f |= codec.FeatureZlib
	}
	return f
}

// peer is what this side knows of the other: what it said in HELLO, or the base profile.
type peer struct {
	frame    uint32 // the longest DATA payload to send it
	takes    uint32 // the longest one it takes
	window   uint32 // the send window that channels it opens start with
	channels uint32 // how many of ours it allows open at once
	features codec.Features
	extended bool
	greeted  bool // its first frame has come
}

// greet takes the peer's first frame, and returns false if that is all there is to it.
func (c *Conn) greet(now time.Duration, f *codec.Frame, ev *Event) (more bool) {
	c.peer = c.stranger()
	c.peer.greeted = true
	c.splitter.Limits = codec.Limits{}
	c.pongs.greeting = f.Type == codec.Ping
	first, prefix := codec.Ping, helloAsk
	if c.client {
		first, prefix = codec.Pong, helloAnswer
	}
	if f.Type == first && f.Channel == 0 && f.Flags == 0 && bytes.HasPrefix(f.Payload, prefix) &&
		c.cfg.Profile != BaseOnly {
		c.meet(now, f, ev)
		return false
	}
	if c.client && c.cfg.Profile != BaseOnly {
		c.splitter.Limits.Pong = codec.MaxHello // a base peer may echo HELLO later
	}
	switch {
	case f.Type == codec.Error && f.Channel == 0 && !isAway(f): // which says more than that it is no HELLO
	case c.client && (c.cfg.Profile == ExtendedOnly || c.cfg.Credentials != nil): // nobody would check them
		c.fail(now, codec.Unsupported, "the peer speaks the base profile only")
		return false
	case c.cfg.WantCredentials && !c.client:
		c.fail(now, codec.Unauthorized, "credentials are wanted")
		return false
	case c.cfg.Profile == ExtendedOnly:
		c.fail(now, codec.Unsupported, "the first frame is no HELLO")
		return false
	}
	c.out.meet(0)
	for _, slot := range c.channels.all { // ours: whatever was announced, it knows of one window only
		c.arena.records.at(slot).in.open(c.cfg.StartWindow)
	}
	c.profile.Store(profileKnown)
	return true
}

// stranger is the peer before it said anything, and a base peer for good.
func (c *Conn) stranger() peer {
	return peer{
		frame: min(uint32(c.cfg.FrameSize), codec.MaxData), takes: codec.MaxData,
		window: uint32(c.cfg.StartWindow), channels: math.MaxUint32,
	}
}

// meet takes the HELLO of an extended peer.
func (c *Conn) meet(now time.Duration, f *codec.Frame, ev *Event) {
	h, err := ParseHello(f.Payload[len(helloAsk):])
	if err != nil {
		c.fault(now, codec.ProtocolError, f, err.Error())
		return
	}
	c.peer = peer{
		frame: min(uint32(c.cfg.FrameSize), h.Frame), takes: h.Frame,
		window: h.Window, channels: h.Channels, features: h.Features, extended: true, greeted: true,
	}
	c.splitter.Limits = codec.Limits{Data: uint32(c.cfg.MaxFrame), HeaderCRC: true}
	c.in.open(c.cfg.ConnWindow)
	c.meter.mark = microseconds(now)
	c.out.meet(h.ConnWindow)
	if c.client {
		c.pings.helloAnswered(now)
	} else {
		c.pongs.push(c.arena, c.cfg.Pool.Copy(c.cfg.answer))
	}
	c.profile.Store(profileKnown | profileExtended | uint32(h.Features)<<profileFeatures)
	if c.cfg.WantCredentials && !c.client {
		c.admitting = true
		*ev = Event{Kind: Greeted, Data: h.Credentials}
	}
}

// Admit answers Greeted: whether the client's credentials are good.
func (c *Conn) Admit(now time.Duration, good bool) {
	if !c.admitting {
		panic("core: answer to credentials that were not reported")
	}
	c.admitting = false
	if !good {
		c.fail(now, codec.Unauthorized, "credentials are not good")
	}
}

// What other goroutines know of the peer, in Conn.profile.
const (
	profileKnown    = 1 << iota
	profileExtended = 1 << iota
	profileFeatures = 8 // they stand from this bit on
)

// Peer returns whether the peer's profile is known by now, whether it is the extended one, and what it can
// receive. It may be called from any goroutine.
func (c *Conn) Peer() (known, extended bool, features codec.Features) {
	p := c.profile.Load()
	return p&profileKnown != 0, p&profileExtended != 0, codec.Features(p >> profileFeatures)
}

// can returns whether the peer offered a feature.
func (c *Conn) can(f codec.Features) bool { return c.peer.features&f == f }

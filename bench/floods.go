package bench

import (
	"time"

	"github.com/sscd-io/sscd/codec"
)

// flood is one kind of traffic of a connection that attacks.
type flood struct {
	name  string
	what  string // for people
	reads appetite

	// channels is how many channels a connection has open at once; 0 means as many as it may.
	channels int

	// setup makes the first frames, if there are any.
	setup func(s *script)
	// round makes the next frames, one at least, or none if there is nothing to be sent for now. Nil means
	// that nothing ever follows.
	round func(s *script)
	// pause is the least time from one round to the next.
	pause time.Duration
}

// appetite is how an attacker reads.
type appetite int

const (
	readsAll  appetite = iota
	readsNone          // until it is thrown out; then it looks why
	readsSlow          // a few KB a second
)

// legalBytes is the message that the legal connections have echoed.
const legalBytes = 64

// grantAll makes a channel's window at the start, 65,536 bytes, the largest there is.
const grantAll = 1<<31 - 1 - fixedWindow

// floods returns all kinds. The first is none: it is what as many connections do of which a server has nothing to
// complain, and measured if it is asked for.
func floods() []flood {
	return []flood{
		{name: "legal", what: "echo of 64 B", channels: 1, setup: opens1("echo"), round: echoLegally},

		{name: "rapid-reset", what: "OPEN, CLOSE", channels: 1, round: func(s *script) {
			s.open("echo")
			s.put(codec.Close)
		}},
		{name: "refused-open", what: "OPEN of what there is not", channels: 1, round: func(s *script) {
			s.open("nothing")
		}},
		{name: "open-limit", what: "OPEN, more than may be", round: func(s *script) { s.open("echo") }},
		{name: "error", what: "OPEN, ERROR", channels: 1, round: func(s *script) {
			s.open("echo")
			s.put(codec.Error)
		}},
		{name: "ping", what: "PING, reading nothing", reads: readsNone, channels: 1, round: func(s *script) {
			s.on(0, codec.Ping, s.unique()...)
		}},
		{name: "grant-1", what: "FLOW_CONTROL +1", channels: 1, setup: opens1("discard"), round: func(s *script) {
			s.grant(1)
		}},
		{name: "grant-0", what: "FLOW_CONTROL +0", channels: 1, setup: opens1("discard"), round: func(s *script) {
			s.grant(0)
		}},
		{name: "empty-data", what: "DATA of 0 B", channels: 1, setup: opens1("discard"), round: func(s *script) {
			s.put(codec.Data)
		}},
		{name: "byte-discard", what: "DATA of 1 B", channels: 1, setup: opens1("discard"), round: func(s *script) {
			s.data(1)
		}},
		{name: "byte-echo", what: "DATA of 1 B echoed, reading nothing", reads: readsNone, round: func(s *script) {
			s.fillEcho(1)
		}},
		{name: "window-echo", what: "windows echoed, reading nothing", reads: readsNone, round: func(s *script) {
			s.fillEcho(codec.MaxData)
		}},
		{name: "ack", what: "ACK of nothing", channels: 1, setup: opens1("discard"), round: func(s *script) {
			s.put(codec.Ack)
		}},
		{name: "pong", what: "PONG of nothing", channels: 1, setup: opens1("discard"), round: func(s *script) {
			s.on(0, codec.Pong, s.unique()...)
		}},
		{name: "type-200", what: "frames of type 200", channels: 1, round: func(s *script) { s.on(0, 200) }},
		{name: "half-frame", what: "a byte a second of DATA", channels: 1, setup: halfFrame, round: func(s *script) {
			s.b = append(s.b, 0)
		}, pause: time.Second},
		{name: "late", what: "FLOW_CONTROL on a closed channel", channels: 1, setup: func(s *script) {
			s.open("echo")
			s.put(codec.Close)
		}, round: func(s *script) { s.grant(fixedWindow) }},
		{name: "slow-source", what: "sources, windows open, read slowly", reads: readsSlow, setup: func(s *script) {
			for range s.limit {
				s.open("source")
				s.grant(grantAll)
			}
		}},
	}
}

// opens1 opens a channel.
func opens1(target string) func(*script) { return func(s *script) { s.open(target) } }

// echoLegally sends a message and gives window back for those that came back.
func echoLegally(s *script) {
	if n := s.owed.Load(); n >= fixedWindow/2 {
		s.owed.Add(-n)
		s.grant(uint32(n))
	}
	s.data(legalBytes)
}

// halfFrame begins a frame.
func halfFrame(s *script) {
	s.open("discard")
	var head [codec.HeaderSize]byte
	codec.Header{Channel: s.id, Length: codec.MaxData, Type: codec.Data}.Put(head[:], nil)
	s.b = append(s.b, head[:]...)
	s.made++
}

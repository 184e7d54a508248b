package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
)

// EventKind says what happened.
type EventKind uint8

// The kinds of events. A channel reports Opened or Accepted at most once, then DataReceived and
// Writable, and Closed once and last; a channel that was refused by us reports nothing.
const (
	NoEvent      EventKind = iota // nothing until more is fed
	Greeted                       // a client says its credentials, Data; answer with Admit before the next Step
	Opened                        // the peer opens Channel with Data; answer with Accept or Refuse before the next Step
	Accepted                      // the peer accepted Channel, which we opened
	DataReceived                  // Data came on Channel; with Fin it was the last, and may be empty
	Writable                      // Channel takes bytes again after SendFull
	Closed                        // Channel has ended as End says; give it back with Release
	Ponged                        // the PING called Seq took Duration to come back
	GoneAway                      // the peer accepts no channels any more
	Down                          // the connection has ended as End says; the last event
)

// Event is what Step reports.
type Event struct {
	Kind     EventKind
	Seq      uint32 // of Ponged
	Channel  Handle
	Fin      bool          // of DataReceived: the peer ended its direction
	Data     []byte        // borrowed until the next Step
	End      *End          // of Closed and Down
	Duration time.Duration // of Ponged
}

// data makes e DataReceived. It sets fields and not a whole Event, which costs more than the rest of what is done for a
// frame; Seq and Duration say nothing then.
func (e *Event) data(ch Handle, p []byte, fin bool) {
	e.Kind, e.Channel, e.Data, e.Fin, e.End = DataReceived, ch, p, fin, nil
}

// channel makes e another event of a channel, in the same way. p is OPEN's payload, end is Closed's.
func (e *Event) channel(kind EventKind, ch Handle, p []byte, end *End) {
	e.Kind, e.Channel, e.Data, e.Fin, e.End = kind, ch, p, false, end
}

// End is how a channel or a connection ended.
type End struct {
	Code   codec.Code
	Clean  bool   // by CLOSE on either side, FIN on both, or by a connection that was to end
	Remote bool   // the peer said so; Code and Reason are its own
	Conn   bool   // it was the connection that ended, and the channel with it
	Reason string // for people
	Err    error  // of the transport, if that was the cause
}

var cleanEnd = &End{Clean: true}

// events is the list of channels with something to report, linked through their records.
type events struct{ first, last uint32 }

// push appends the channel in slot, if it is not there yet.
func (e *events) push(a *Arena, slot uint32) {
	r := a.records.at(slot)
	if r.nextEvent != 0 {
		return
	}
	r.nextEvent = slot
	if e.last == 0 {
		e.first = slot
	} else {
		a.records.at(e.last).nextEvent = slot
	}
	e.last = slot
}

// pop removes the first channel; 0 if there is none.
func (e *events) pop(a *Arena) (slot uint32) {
	slot = e.first
	if slot == 0 {
		return 0
	}
	r := a.records.at(slot)
	if e.first = r.nextEvent; e.first == slot {
		e.first, e.last = 0, 0
	}
	r.nextEvent = 0
	return slot
}

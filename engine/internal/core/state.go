package core

import "github.com/sscd-io/sscd/codec"

// The life of a channel (SPEC section 2), seen from one side. What is called Closing there is three
// states here: which ACK is missing, and whether the peer's CLOSE has come as well.
//
//	                       OPEN sent                     OPEN received
//	idle ─────────────────────────────▶ opening        idle ───────────▶ open
//	                                     │    │ ACK
//	                          CLOSE sent │    └────────▶ open ─────CLOSE received──▶ closed
//	                                     ▼                │ CLOSE sent
//	                                 abandoned ──ACK──▶ closing ──ACK──▶ closed
//	                                                      │ CLOSE received
//	                                                      ▼
//	                                                   crossed ──ACK──▶ closed
//
//	open, closing ──FIN both sent and received──▶ closed
//	any ──ERROR sent or received, timeout, connection lost──▶ closed
//
// That one direction has ended by FIN is no state of its own: it changes what DATA means, and nothing else
// (recvData, fin.go).
type state uint8

const (
	idle      state = iota // no record: above the highest id its side has opened
	opening                // we opened; no answer yet
	open                   // both sides may send; our CLOSE may wait behind our data
	abandoned              // our CLOSE went out before the answer to our OPEN came
	closing                // our CLOSE is out
	crossed                // our CLOSE is out and the peer's has come
	closed                 // over: no record, or one that waits for its last frame or event to go
	numStates
)

func (s state) String() string {
	return [...]string{"idle", "opening", "open", "abandoned", "closing", "crossed", "closed"}[s]
}

// verdict is what to do with a frame that arrives in a state.
type verdict uint8

const (
	violation verdict = iota // no correct peer sends this: connection error PROTOCOL
	late                     // paid from the late credit (late.go), else ignored
	stray                    // ignored, costs a token
	accept                   // the peer opens a channel
	opened                   // the peer answers our OPEN
	ended                    // the peer's CLOSE ends the channel
	cross                    // the peer's CLOSE crossed ours
	acked                    // the peer answers our CLOSE
	data                     // for the application, unless it closed
	discard                  // data nobody waits for any more
	reset                    // the peer's ERROR ends the channel
	credit                   // the peer enlarges our send window
	urgency                  // the opener changes the priority
)

// numFrames is the number of frame types that belong to a channel in the table below: OPEN to
// PRIORITY, without PING and PONG.
const numFrames = codec.Priority + 1

// verdicts is the automaton: what a frame means in a state. A pair that is not named is a violation.
var verdicts = [numStates][numFrames]verdict{
	idle: {
		codec.Open: accept,
	},
	opening: {
		codec.Ack: opened, codec.Error: reset,
	},
	open: {
		codec.Ack: stray, codec.Close: ended, codec.Data: data, codec.Error: reset, codec.FlowControl: credit,
		codec.Priority: urgency,
	},
	abandoned: {
		codec.Ack: opened, codec.Error: reset,
	},
	closing: {
		codec.Ack: acked, codec.Close: cross, codec.Data: discard, codec.Error: reset, codec.FlowControl: credit,
		codec.Priority: urgency,
	},
	crossed: {
		codec.Ack: acked, codec.Close: late, codec.Data: late, codec.Error: reset, codec.FlowControl: late,
		codec.Priority: late,
	},
	closed: {
		codec.Ack: late, codec.Close: late, codec.Data: late, codec.Error: late, codec.FlowControl: late,
		codec.Priority: late,
	},
}

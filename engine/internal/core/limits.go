package core

import "time"

// Limits of the protocol and of this implementation. Durations are the defaults of Timeouts.
const (
	// startWindow is the receive window of a channel at its start (SPEC section 2), and all that a
	// base peer ever gets: the reference peer sends its whole window as one frame.
	startWindow = 65536

	// connWindows is how many of the largest windows of channels the window of a connection grows to:
	// more channels than that, all at full speed on a long path, share it.
	connWindows = 4

	// burst is the least time over which a rate is measured, since data comes in bursts: on short paths windows
	// would fit those.
	burst = 5 * time.Millisecond

	// leastTrip is what a round trip counts at least when windows of channels are tuned: on shorter paths it is the
	// turns of both sides that take time, not the path, and windows that fit this alone would have them wait for each
	// other. The connection's window, which is for what is under way, starts with room for those.
	leastTrip = 100 * time.Microsecond

	// probes is how often the round trip time is measured in a row when windows begin to be tuned,
	// probeAgain after how long it is measured anew then, and rttEpoch how long a smallest one counts, at
	// least: paths change. After that the connection's window is small for reprobes samples, since a busy
	// connection delays them by as much as is under way.
	probes     = 8
	reprobes   = 3
	probeAgain = time.Second
	rttEpoch   = 5 * time.Minute

	// maxWindow is the largest window there may be. Beyond it: FLOW_CONTROL.
	maxWindow = 1<<31 - 1

	// minSplit is the least that is sent of a frame that the window does not hold whole, so that a
	// peer granting byte by byte doesn't get a frame per byte (silly window syndrome).
	minSplit = 1024

	// minCost is what a waiting message counts at least, in bytes: what keeping it takes. Otherwise a
	// queue of one-byte messages would hold a hundred times its limit.
	minCost = 192

	// maxPongs is how many PONGs may wait to be sent. Older ones are dropped for newer ones.
	maxPongs = 4

	// maxPings is how many of our PINGs may be unanswered. No more are sent then.
	maxPings = 4

	// lateFrames is how many late frames without data each closed channel has room for (SPEC section 2): ACK of
	// OPEN, an empty FIN, CLOSE or ERROR, ACK of CLOSE. What it grants late is an answer to DATA, of which each
	// frame and each lateGrant bytes make room for a grant: smaller ones that answer nothing cost a token on open
	// channels too. maxLateFrames is more than are ever under way. Beyond: tokens.
	lateFrames    = 4
	lateGrant     = smallGrant
	maxLateFrames = 1 << 20

	// bucketSize and bucketRate (per second) are the tokens for what is legal but no progress (SPEC
	// section 6). Beyond them: CALM.
	bucketSize = 10_000
	bucketRate = 330

	// repeatedAway is what a second GOAWAY costs, in tokens.
	repeatedAway = 100

	// zipToken is for how many bytes of a compressed payload that did not get a tenth larger by inflating it
	// costs another token.
	zipToken = 1024

	// smallGrant is the increment below which FLOW_CONTROL costs a token if nothing was sent.
	smallGrant = 1024

	// maxReason is how much of a peer's reason is kept, in bytes.
	maxReason = 256

	// hurriedFrame is what a client has for its first frame where credentials are wanted or connections
	// run short.
	hurriedFrame = 10 * time.Second

	// sleepTolerance is how late Tick may come before we take it that this process slept, and
	// sleepGrace what peers then get to show that they live before anything is ended.
	sleepTolerance = 5 * time.Second
	sleepGrace     = 10 * time.Second
)

// Timeouts are the deadlines of SPEC section 5. Zero fields mean the default.
type Timeouts struct {
	Keepalive  time.Duration // nothing received: PING, PING again, then TIMEOUT; 30 s
	FirstFrame time.Duration // server: no whole frame since the start; 40 s
	Frame      time.Duration // a frame begun, plus 1 s per KiB of it; 30 s
	Stall      time.Duration // the transport takes nothing although there are bytes; 30 s
	Opening    time.Duration // OPEN without an answer; 10 s
	Closing    time.Duration // CLOSE without an ACK; 5 s
	CloseWait  time.Duration // CLOSE waiting behind data; 30 s
	NoWindow   time.Duration // data queued and no window; 5 min
	Drain      time.Duration // GOAWAY until the connection ends; 30 s
	Idle       time.Duration // no channels: GOAWAY; 0 means never

	// These are not configurable.
	eof      time.Duration // to send what windows hold after the transport's end of stream, or to wait for that; 5 s
	patience time.Duration // for more of it, since bytes came or DATA left; 500 ms
	linger   time.Duration // an ERROR on channel 0, or the application's wish, until the transport closes; 1 s
	soon     time.Duration // a small grant, or a small part of a frame; 200 ms
}

// defaults fills the zero fields.
func (t *Timeouts) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Keepalive, 30*time.Second)
	set(&t.FirstFrame, 40*time.Second)
	set(&t.Frame, 30*time.Second)
	set(&t.Stall, 30*time.Second)
	set(&t.Opening, 10*time.Second)
	set(&t.Closing, 5*time.Second)
	set(&t.CloseWait, 30*time.Second)
	set(&t.NoWindow, 5*time.Minute)
	set(&t.Drain, 30*time.Second)
	t.eof = 5 * time.Second
	t.patience = 500 * time.Millisecond
	t.linger = time.Second
	t.soon = 200 * time.Millisecond
}

package sim

import (
	"math/bits"
	"math/rand/v2"
)

// Expand makes a script of a seed.
func Expand(seed uint64) *Script {
	w := newSwarm(seed)
	s := &Script{Setup: w.setup}
	w.fill(s)
	return s
}

// swarm is the script that is being made: a random part of all operations, with random weights and numbers
// of its own, since a world in which everything can happen seldom gets far with anything.
type swarm struct {
	*rand.Rand
	setup   Setup
	kinds   [256]Kind // to draw from
	numbers [NumKinds][16]uint32
	bulk    bool
	bias    uint64 // of 256 operations of a side, those of the client
}

// edges are the sizes at which something changes.
var edges = [...]int{1, 15, 16, 17, 255, 256, 511, 512, 513, 1023, 1024, 4095, 4096, 16383, 16384, 16385, 32767,
	32768, 32769, 65535, 65536, 65537, 1 << 20}

// newSwarm returns the swarm of a seed.
func newSwarm(seed uint64) *swarm {
	w := &swarm{Rand: rand.New(rand.NewPCG(seed, 0x55c1))}
	w.plan(seed)
	w.weigh()
	w.number()
	return w
}

// one returns whether something happens that happens once in n times.
func (w *swarm) one(n int) bool { return w.IntN(n) == 0 }

// upTo is a number from lo to hi, of which every order of magnitude is as likely.
func (w *swarm) upTo(lo, hi int) int {
	n := lo << w.IntN(bits.Len(uint(max(hi/lo, 1))))
	return min(hi, n+w.IntN(n+1))
}

// edge is a size at which something changes, of at most most.
func (w *swarm) edge(most int) int {
	for {
		if n := edges[w.IntN(len(edges))]; n <= max(most, 1) {
			return n
		}
	}
}

// plan draws the setup.
func (w *swarm) plan(seed uint64) {
	s := Setup{
		Seed: seed, Hostile: w.one(3), Core: w.IntN(2), Window: 65536, FrameSize: 16384, SendQueue: 65536,
		MaxChannels: 65536, SendBuffer: 1 << 18, MaxWrite: w.upTo(1, 256), Live: w.upTo(1, 32),
		ByHand: [...]int{0, 64, 128, 256}[w.IntN(4)], Mail: w.one(2), Resets: w.one(2), Fair: w.one(3),
	}
	switch w.IntN(6) {
	case 0:
		s.Window = 1 + w.IntN(16)
	case 1:
		s.Window = w.edge(4096)
	case 2:
		s.Window = w.upTo(16, 65536)
	}
	if w.one(2) {
		s.FrameSize = [...]int{1, 2, 16, 100, 512, 1024, 4096, 65536}[w.IntN(8)]
	}
	if w.one(2) {
		s.SendQueue = w.upTo(1, 1<<20)
	}
	if w.one(2) {
		s.MaxChannels = w.upTo(1, 16)
	}
	if w.one(2) {
		s.SendBuffer = w.upTo(1, 1<<22)
	}
	switch w.IntN(16) {
	case 0:
		s.MaxWrite = 1 << 20
	case 1, 2:
		s.MaxWrite = w.upTo(256, 65537)
	}
	if w.bulk = w.one(60); w.bulk { // a few channels with always more to send, in frames of all sizes
		s.Hostile, s.Fair, s.Window, s.FrameSize, s.MaxWrite = false, true, 65536, 65536, 65536
		s.SendQueue, s.SendBuffer, s.Live, s.ByHand = 1<<18, 1<<22, 2+w.IntN(4), 0
	}
	if s.Extended = w.one(2); s.Extended {
		s.MaxWindow = s.Window << w.IntN(8)
		s.ConnWindow = 1 << (16 + w.IntN(4))
		s.Zip = [...]int{0, 0, 128, 256}[w.IntN(4)]
		if w.one(4) {
			s.Memory = w.upTo(1<<10, 1<<20)
		}
		if s.Hostile { // a model that knew when memory is short would be another core
			s.Memory, s.MaxFrame = 0, 1<<(16+w.IntN(4))
		}
	}
	s.Strict = mix(seed^0x57)&3 == 0 // not drawn: that would move the seeds
	s.Casts = s.Mail && mix(seed^0xca)&3 == 0
	if !s.Hostile && !w.bulk { // a hostile peer's model takes all control frames to leave at once
		s.Batch = [...]int{0, 0, 1, 10_000}[mix(seed^0xba)&3]
	}
	if seed%3 == 1 { // the others are as they were without files
		f := fileSwarm(seed)
		s.MaxFile, s.Ranges = f.upTo(1, 1<<20), f.IntN(4) > 0
		if s.Extended && !s.Hostile {
			s.MaxFrame = 1 << (16 + f.IntN(4))
		}
	}
	w.setup = s.sane()
}

// weigh draws which operations there are, and how often.
func (w *swarm) weigh() {
	weights := [NumKinds]int{
		Deliver: 20 + w.IntN(60), Send: 20 + w.IntN(60), Write: 10 + w.IntN(60), Open: 1 + w.IntN(20),
		Advance: 1 + w.IntN(20), Tick: 1,
	}
	some := func(most int, kinds ...Kind) {
		for _, k := range kinds {
			if w.one(2) {
				weights[k] = 1 + w.IntN(most)
			}
		}
	}
	some(20, Consume, Close, Reset)
	if w.setup.Extended {
		some(20, Finish)
		some(4, Urgency)
	}
	some(8, Release, React, Ping, Stranger)
	some(3, Keep, Refuse, Rest, Stall, Tick, Sleep, Jump)
	if w.setup.ByHand > 0 {
		weights[Consume] += 20
	}
	if w.setup.Mail {
		weights[Turn] = 20 + w.IntN(40)
	}
	if w.setup.Hostile {
		weights[Frame] = 40 + w.IntN(60)
		some(2, Flood, Raw, Damage)
		if w.one(2) { // much is going on with channels of the core's own
			weights[Open], weights[Close], weights[Turn] = 30, 20, weights[Turn]+20
		}
		if w.one(2) {
			weights[Raw], weights[Damage] = 0, 0 // they end the connection soon
		}
	}
	if w.bulk {
		weights = [NumKinds]int{Deliver: 30, Send: 30, Write: 60, Open: 4, Turn: weights[Turn], Advance: 1}
	}
	if w.setup.MaxFile > 0 {
		w.weighFiles(&weights)
	}
	total, at, sum := 0, 0, 0
	for _, n := range weights {
		total += n
	}
	for k, n := range weights {
		for sum += n; at < len(w.kinds) && at*total < sum*len(w.kinds); at++ {
			w.kinds[at] = Kind(k)
		}
	}
	w.bias = uint64([...]int{128, 128, 64, 192, 20, 236}[w.IntN(6)])
}

// number draws the numbers of the operations.
func (w *swarm) number() {
	ms := uint32(1000)
	fast := w.one(2)
	for i := range 16 {
		for k := range SendFile {
			w.numbers[k][i] = w.Uint32()
		}
		set := func(k Kind, n int) { w.numbers[k][i] = uint32(n) }
		set(Write, w.upTo(1, w.setup.MaxWrite))
		if w.one(3) {
			set(Write, w.edge(w.setup.MaxWrite))
		}
		set(Consume, w.upTo(1, 65536))
		for _, k := range []Kind{Deliver, Send, Cut, Break} {
			set(k, w.upTo(1, 64))
			if w.one(2) {
				set(k, 1<<20)
			}
		}
		if fast {
			set(Deliver, w.edge(1<<20))
		}
		if w.one(4) {
			set(Consume, 1)
		}
		if w.bulk {
			set(Write, []int{100, 1 << 14, 1<<14 + 1, 1 << 15, 1 << 16}[w.IntN(5)])
			set(Deliver, 1<<20)
			set(Send, 1<<20)
		}
		w.numbers[Advance][i] = [...]uint32{0, 1, 1000, 2000, 50 * ms, 200 * ms, 201 * ms, 1000 * ms}[w.IntN(8)]
		if w.one(8) {
			w.numbers[Advance][i] = uint32(w.upTo(1, 40_000)) * ms
		}
		w.numbers[Stall][i] = uint32(w.upTo(1, 20_000)) * ms
		w.numbers[Sleep][i] = uint32(w.upTo(1, 100_000)) * ms
		w.numbers[Jump][i] = uint32(w.upTo(1, 600_000)) * ms
		if w.one(2) {
			w.numbers[Jump][i]++ // hears of its peer before it hears of the time
		}
		w.numbers[Refuse][i] = [...]uint32{0, 0, 6, 7, 13, 300}[w.IntN(6)]
		w.numbers[Reset][i] = [...]uint32{0, 1, 7, 13, 20, 256}[w.IntN(6)]
		w.numbers[React][i] = [...]uint32{1, 1, 2, 3, 4, 0, 5, 6, 7}[w.IntN(7)]
	}
}

// fileSwarm draws what has to do with files, for the worlds that have them. It is another stream than the swarm's.
func fileSwarm(seed uint64) *swarm { return &swarm{Rand: rand.New(rand.NewPCG(seed, 0xf11e))} }

// weighFiles draws how often there is something with files, and the numbers of that.
func (w *swarm) weighFiles(weights *[NumKinds]int) {
	f := fileSwarm(w.setup.Seed + 1)
	weights[SendFile], weights[Fetch] = 1+f.IntN(30), 1+f.IntN(20)
	if f.one(2) {
		weights[Truncate] = 1 + f.IntN(5)
	}
	for i := range w.numbers[SendFile] {
		w.numbers[SendFile][i] = uint32(f.upTo(1, w.setup.MaxFile))
		if f.one(3) {
			w.numbers[SendFile][i] = uint32(f.edge(w.setup.MaxFile))
		}
		w.numbers[Truncate][i] = uint32(f.upTo(1, 8*w.setup.MaxFile))
		if f.one(2) {
			w.numbers[Truncate][i] %= 64
		}
	}
}

// fill draws the operations.
func (w *swarm) fill(s *Script) {
	n := w.upTo(64, 8192)
	if max(w.setup.MaxWrite, w.setup.MaxFile/16) > 4096 {
		n = w.upTo(64, 1024)
	}
	s.Ops = make([]Op, n)
	tame := !w.one(4)
	for i := range s.Ops {
		r := w.Uint64()
		op := &s.Ops[i]
		op.Kind = w.kinds[r&255]
		if r>>8&255 >= w.bias {
			op.Side = Server
		}
		if s.Setup.Hostile {
			op.Side = uint8(s.Setup.Core)
		}
		op.Pick = uint16(r >> 16)
		op.N = w.numbers[op.Kind][r>>32&15]
		if op.Kind == Frame {
			switch op.N = op.N&0xff | uint32(r>>32)&^0xff; {
			case tame && r>>56 != 0:
				op.N |= 0x8000 // nothing odd
			case r>>56 < 40:
				op.N = op.N&^0xff00 | 0x500 + uint32(r>>48)&0x100 // any frame on any channel
			}
		}
	}
	// What ends a connection happens once at most.
	for _, k := range []Kind{Cut, Break, Flip, GoAway, Quit, Abort} {
		if !w.one(6) {
			continue
		}
		op := &s.Ops[n/4+w.IntN(n-n/4)]
		*op = Op{k, uint8(w.IntN(2)), 0, w.numbers[k][0]}
		if k == Abort {
			op.N = 0
		}
	}
}

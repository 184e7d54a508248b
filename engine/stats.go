package engine

import (
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Stats are an engine's counters. All but Conns, Channels, Memory and LongestTurn count since its start.
type Stats struct {
	Conns       int    // connections now
	ConnsServed uint64 // connections ever

	Channels         int    // now; those that have ended too, until the application is through with them
	ChannelsAccepted uint64 // opened by peers
	ChannelsOpened   uint64 // opened by this side
	ChannelsRefused  uint64 // opens of peers that were refused

	Memory int64 // bytes in use now of Config.Memory; connections draw 4 KiB at a time

	FramesIn, FramesOut uint64
	BytesIn, BytesOut   uint64 // of frames, headers included
	Reads, Writes       uint64 // system calls, or requests of IOUring, that brought or took some of them

	BytesSendfile uint64 // of BytesOut: payload of files that left by sendfile(2)
	ReadAheads    uint64 // times that a channel waited for a part of its file to be read

	// How often a limit of Config was reached, and what came of it.
	SendsBlocked    uint64 // Send said ErrWouldBlock, or Write waited: SendQueue, ConnMemory, Memory
	OpensScarce     uint64 // of ChannelsRefused: ConnMemory, Memory
	StreamsOverfull uint64 // streams reset because nobody read them: ConnMemory, Memory
	ConnsCrowded    uint64 // connections closed at once: MaxConns

	ErrorsSent, ErrorsReceived map[Code]uint64 // ERROR frames by code; the application's own count as 256
	LateFrames                 uint64          // of closed channels, ignored
	Rests                      uint64          // times that a peer that wastes our time was not read for a while
	Panics                     uint64          // of the Handler

	AcceptPauses  uint64 // times that accepting rested because descriptors or memory ran out
	AcceptSkipped uint64 // connections that were gone before they were accepted
	AcceptFailed  uint64 // connections that could not be served

	// With IOUring.
	RingNoBuffers uint64 // times that a connection found no buffer to receive into, and went on a turn later
	RingOverflows uint64 // turns in which completions waited in the kernel for room
	RingBusy      uint64 // times that the kernel could take no requests for the moment
	RingUnarmed   uint64 // connections for which nothing was under way, found within a second or two

	// LongestTurn is the longest time for which a loop served one connection, or one batch of what
	// others asked for, without looking at the rest.
	LongestTurn time.Duration
}

// Stats returns the counters as they are now.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.past
	s.Memory = e.loopCfg.Core.Memory.Used()
	s.ErrorsSent, s.ErrorsReceived = nil, nil
	s.addErrors(e.past.ErrorsSent, e.past.ErrorsReceived)
	s.SendsBlocked += e.wouldBlock.Load()
	s.ConnsCrowded += e.crowded.Load()
	s.StreamsOverfull += e.overfull.Load()
	for n := range e.conns {
		s.addCounters(n.Loop)
		s.addGauges(n.Loop)
	}
	for _, l := range e.loops.all() {
		s.addCounters(l)
		s.addGauges(l)
	}
	e.loops.addTo(&s)
	for _, l := range e.listeners {
		l.addTo(&s)
	}
	return s
}

// addGauges adds what a loop has now.
func (s *Stats) addGauges(l *loop.Loop) {
	s.Conns += int(l.Stats.Conns.Load())
	s.Channels += l.Arena.Used()
}

// addCounters adds what a loop has counted.
func (s *Stats) addCounters(l *loop.Loop) {
	s.ConnsServed += l.Stats.Served.Load()
	s.ChannelsAccepted += l.Arena.Accepted.Load()
	s.ChannelsOpened += l.Arena.Opened.Load()
	s.ChannelsRefused += l.Arena.Refused.Load()
	s.FramesIn += l.Stats.FramesIn.Load()
	s.FramesOut += l.Stats.FramesOut.Load()
	s.BytesIn += l.Stats.BytesIn.Load()
	s.BytesOut += l.Stats.BytesOut.Load()
	s.Reads += l.Stats.Reads.Load()
	s.Writes += l.Stats.Writes.Load()
	s.BytesSendfile += l.Stats.BytesSendfile.Load()
	s.ReadAheads += l.Stats.ReadAheads.Load()
	s.OpensScarce += l.Arena.Scarce.Load()
	s.LateFrames += l.Arena.Late.Load()
	s.Rests += l.Stats.Rests.Load()
	s.Panics += l.Stats.Panics.Load()
	s.LongestTurn = max(s.LongestTurn, time.Duration(l.Stats.Longest.Load()))
	s.addErrors(counts(&l.Arena.ErrorsSent), counts(&l.Arena.ErrorsReceived))
}

// addErrors adds ERROR frames by code.
func (s *Stats) addErrors(sent, received map[Code]uint64) {
	add := func(to *map[Code]uint64, from map[Code]uint64) {
		if *to == nil {
			*to = make(map[Code]uint64)
		}
		for code, n := range from {
			(*to)[code] += n
		}
	}
	add(&s.ErrorsSent, sent)
	add(&s.ErrorsReceived, received)
}

// counts returns those of an ErrorCounts that are not 0.
func counts(e *core.ErrorCounts) map[Code]uint64 {
	m := make(map[Code]uint64)
	e.Each(func(code Code, n uint64) { m[code] = n })
	return m
}

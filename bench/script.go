package bench

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/sscd-io/sscd/codec"
)

// script is what a connection that attacks says: frames in the order in which they are made.
type script struct {
	b     []byte // frames that were not sent yet
	made  int64  // frames ever
	limit int    // channels that may be open at once

	id      uint32       // of the channel opened last; 0 before
	opened  int          // channels ever
	credit  atomic.Int64 // what that channel's window holds; the reader adds to it
	owed    atomic.Int64 // bytes that came on it and were not granted back; the reader adds to it
	payload []byte       // zeros
	ping    [8]byte      // what unique returned last
}

func newScript(limit int) *script {
	return &script{limit: limit, payload: make([]byte, codec.MaxData)}
}

// on makes a frame.
func (s *script) on(id uint32, t codec.Type, payload ...byte) {
	s.b = codec.Header{Channel: id, Type: t}.Append(s.b, payload)
	s.made++
}

// put makes a frame on the channel opened last.
func (s *script) put(t codec.Type, payload ...byte) { s.on(s.id, t, payload...) }

// open makes an OPEN.
func (s *script) open(target string) {
	s.id = uint32(2*s.opened + 1)
	s.opened++
	s.owed.Store(0)
	s.credit.Store(fixedWindow)
	s.put(codec.Open, codec.AppendParam(nil, codec.ParamTarget, []byte(target))...)
}

// grant makes a FLOW_CONTROL.
func (s *script) grant(n uint32) {
	s.put(codec.FlowControl, binary.BigEndian.AppendUint32(nil, n)...)
}

// data makes a DATA of n bytes, if the window holds it.
func (s *script) data(n int) {
	if s.credit.Load() < int64(n) {
		return
	}
	s.credit.Add(-int64(n))
	s.put(codec.Data, s.payload[:n]...)
}

// fillEcho makes a DATA of n bytes on a channel whose echo is not read, and opens the next channel when
// that one's window is full, as many as there may be.
func (s *script) fillEcho(n int) {
	if s.id == 0 || s.credit.Load() < int64(n) {
		if s.opened == s.limit {
			return
		}
		s.open("echo")
	}
	s.data(n)
}

// unique returns a payload for a PING, each time another one.
func (s *script) unique() []byte {
	binary.BigEndian.PutUint64(s.ping[:], 1<<32|uint64(s.made))
	return s.ping[:]
}

package core

import (
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/pool"
)

// What an application consumes bit by bit of a window much larger than the usual one is granted by half of it, and not
// when a timer comes.
func TestLargeWindowIsGrantedAsItIsConsumed(t *testing.T) {
	const window = 1 << 20
	cfg := &Config{Pool: new(pool.Pool), Window: window, Profile: ExtendedOnly}
	cfg.Prepare()
	c, a := new(Conn), NewArena(3, cfg)
	c.Init(0, cfg, a, true)
	h := a.Open()
	c.Open(0, h, nil, ByHand)
	written(c)
	hello := Hello{Frame: codec.MaxData, Window: startWindow, Channels: 65536}
	in := codec.Header{Type: codec.Pong}.Append(nil, hello.Append([]byte(helloAnswer)))
	in = codec.Header{Type: codec.Ack, Channel: 1}.Append(in, nil)
	for range window / 2 / 16384 {
		in = codec.Header{Type: codec.Data, Channel: 1}.Append(in, make([]byte, 16384))
	}
	var ev Event
	c.Feed(0, in)
	for c.Step(0, &ev) {
		for range 16 {
			if ev.Kind == DataReceived && a.Consume(h, 1024) {
				c.Collect(0, h)
			}
		}
	}
	frames, _, err := codectest.Decode(written(c), codectest.Limits{})
	grants := 0
	for _, f := range frames {
		if f.Type == byte(codec.FlowControl) && f.Channel == 1 {
			grants++
		}
	}
	if grants == 0 || err != nil {
		t.Errorf("%d grants among %d frames, %v", grants, len(frames), err)
	}
	c.Abort(&End{Code: codec.Cancelled})
}

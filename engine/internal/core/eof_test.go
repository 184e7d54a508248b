package core

import (
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// A PING and the end of the peer's direction come at once, and the clock ticks before the backend asks for output:
// the PONG leaves all the same.
func TestAnswersOutliveTheEnd(t *testing.T) {
	cfg := &Config{Pool: new(pool.Pool)}
	cfg.Prepare()
	var c Conn
	c.Init(0, cfg, NewArena(4, cfg), false)
	c.Feed(0, codec.Header{Type: codec.Ping}.Append(nil, []byte("last")))
	var ev Event
	for c.Step(0, &ev) {
	}
	c.PeerClosed(0, nil)
	c.Tick(0)
	var b Batch
	if c.Next(0, &b); b.Len() != codec.HeaderSize+4 {
		t.Errorf("%d bytes leave, not a PONG", b.Len())
	}
	c.Sent(0, b.Len())
	b.Free()
	if c.Next(0, &b); !c.Over() {
		t.Error("the connection goes on")
	}
}

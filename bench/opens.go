package bench

import (
	"time"

	"github.com/sscd-io/sscd/engine"
)

// opens is the mode open: each channel is closed when the server has accepted it, and another one is
// opened when it has ended.
type opens struct{ base }

func (o *opens) start(c *engine.Conn) {
	for range o.r.o.Depth {
		o.open(c)
	}
}

// open opens a channel; its context is when.
func (o *opens) open(c *engine.Conn) {
	if o.r.stopped.Load() {
		return
	}
	if _, err := c.Open(engine.OpenOptions{Context: time.Now()}); err != nil {
		o.r.lose(err)
	}
}

func (o *opens) OnWritable(ch engine.Channel) {
	o.r.latency.Record(time.Since(ch.Context().(time.Time)))
	o.r.messages.Add(1)
	ch.Close()
}

func (o *opens) OnClose(ch engine.Channel, err error) {
	if err != nil {
		o.base.OnClose(ch, err)
		return
	}
	o.open(ch.Conn())
}

package bench

import (
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/pool"
)

// upload is the mode of that name.
type upload struct {
	base
	block *pool.Buf // sent again and again
}

func newUpload(r *run) *upload {
	return &upload{base{r}, new(pool.Pool).Get(r.o.Size)}
}

func (u *upload) start(c *engine.Conn) {
	u.openAll(c, "discard", func() any { return new(bool) })
}

func (u *upload) OnWritable(ch engine.Channel) {
	if open := ch.Context().(*bool); !*open {
		*open = true
		u.r.opened.Add(1)
	}
	for !u.r.stopped.Load() {
		u.block.Retain()
		if ch.SendBuf(u.block) != nil {
			u.block.Release()
			return
		}
		u.r.messages.Add(1)
	}
}

// download is the mode of that name, and what downloads another target.
type download struct {
	base
	target string
}

func (d *download) start(c *engine.Conn) {
	d.openAll(c, d.target, func() any { return nil })
}

func (d *download) OnWritable(engine.Channel) { d.r.opened.Add(1) }

func (d *download) OnData(_ engine.Channel, p []byte) {
	d.r.bytes.Add(int64(len(p)))
	d.r.messages.Add(1)
}

// idle is the mode of that name.
type idle struct{ base }

func (i *idle) start(c *engine.Conn) { i.openAll(c, "", func() any { return nil }) }

func (i *idle) OnWritable(engine.Channel) { i.r.opened.Add(1) }

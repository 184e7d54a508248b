package engine

import (
	"context"
	"slices"
	"time"

	"github.com/sscd-io/sscd/engine/internal/loop"
)

// Ping measures the round trip time to the peer. It blocks. The error is ErrClosed if the connection has
// ended, or that of ctx.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	took := make(chan time.Duration, 1)
	err := c.call(func() {
		if c.ended.Load() {
			close(took)
			return
		}
		if c.pinger == nil {
			c.pinger = new(pinger)
		}
		c.pinger.add(&c.lc, took)
	})
	if err != nil {
		return 0, err
	}
	select {
	case d, ok := <-took:
		if !ok {
			return 0, ErrClosed
		}
		return d, nil
	case <-ctx.Done():
		c.call(func() {
			if c.pinger != nil {
				c.pinger.forget(took)
			}
		})
		return 0, ctx.Err()
	}
}

// pinger sends one PING at a time for all that wait: who comes while one is on its way waits for the
// next. It is used inside the loop only.
type pinger struct {
	seq     uint32 // of the PING on its way; 0 if there is none
	waiting []chan<- time.Duration
	next    []chan<- time.Duration
}

// add lets who listens on took wait for a PONG.
func (p *pinger) add(c *loop.Conn, took chan<- time.Duration) {
	p.next = append(p.next, took)
	if p.seq == 0 {
		p.send(c)
	}
}

// forget lets took wait no more.
func (p *pinger) forget(took chan<- time.Duration) {
	is := func(w chan<- time.Duration) bool { return w == took }
	p.waiting, p.next = slices.DeleteFunc(p.waiting, is), slices.DeleteFunc(p.next, is)
}

// send sends a PING for those who wait for the next one. If too many PINGs are unanswered, it goes out when
// one has been, or they learn of the end of the connection.
func (p *pinger) send(c *loop.Conn) {
	if seq, ok := c.Ping(); ok {
		p.seq = seq
		p.waiting, p.next = p.next, p.waiting[:0]
	}
}

// ponged tells those who wait for PING seq how long it took.
func (p *pinger) ponged(c *loop.Conn, seq uint32, took time.Duration) {
	if p.seq != 0 && int32(seq-p.seq) < 0 {
		return // a PING of the keep-alive
	}
	for _, w := range p.waiting {
		w <- took
	}
	clear(p.waiting)
	p.seq, p.waiting = 0, p.waiting[:0]
	if len(p.next) > 0 {
		p.send(c)
	}
}

// fail tells all that no PONG will come.
func (p *pinger) fail() {
	for _, w := range append(p.waiting, p.next...) {
		close(w)
	}
	*p = pinger{}
}

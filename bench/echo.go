package bench

import (
	"sync"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// echo is the mode of that name.
type echo struct {
	base
	message []byte
	began   time.Time // times count from here
	pacers  sync.WaitGroup
	quit    chan struct{}
}

// echoChannel is a channel of a connection. It is used by its connection's loop alone, unless there is a
// rate: then by a pacer too.
type echoChannel struct {
	ch    engine.Channel
	open  bool
	got   int             // bytes of the message that is coming back
	sent  []time.Duration // ring: when the messages under way were sent, or should have been
	first int             // of sent: the oldest
	n     int             // of sent: how many

	mu  sync.Mutex      // with a rate
	due []time.Duration // messages that found no room
}

func newEcho(r *run) *echo {
	return &echo{base: base{r}, message: make([]byte, r.o.Size), began: time.Now(), quit: make(chan struct{})}
}

func (e *echo) start(c *engine.Conn) {
	var all []*echoChannel
	e.openAll(c, "echo", func() any {
		ec := &echoChannel{sent: make([]time.Duration, e.r.o.Depth)}
		all = append(all, ec)
		return ec
	})
	if e.r.o.Rate > 0 {
		e.pacers.Go(func() { e.pace(all) })
	}
}

func (e *echo) stop() {
	close(e.quit)
	e.pacers.Wait()
}

func (e *echo) OnWritable(ch engine.Channel) {
	ec := ch.Context().(*echoChannel)
	if e.r.o.Rate > 0 {
		ec.mu.Lock()
		defer ec.mu.Unlock()
	}
	if !ec.open {
		ec.ch, ec.open = ch, true
		e.r.opened.Add(1)
	}
	if e.r.o.Rate > 0 {
		e.catchUp(ec)
		return
	}
	e.fill(ch, ec)
}

// fill sends until depth messages are under way.
func (e *echo) fill(ch engine.Channel, ec *echoChannel) {
	for ec.n < e.r.o.Depth && !e.r.stopped.Load() {
		if ch.Send(e.message) != nil {
			return // OnWritable follows, or OnClose
		}
		ec.push(time.Since(e.began))
	}
}

// push notes that a message is under way since at.
func (ec *echoChannel) push(at time.Duration) {
	if ec.n == len(ec.sent) { // with a rate, any number can be
		grown := make([]time.Duration, 2*len(ec.sent))
		k := copy(grown, ec.sent[ec.first:])
		copy(grown[k:], ec.sent[:ec.first])
		ec.sent, ec.first = grown, 0
	}
	ec.sent[(ec.first+ec.n)%len(ec.sent)] = at
	ec.n++
}

func (e *echo) OnData(ch engine.Channel, p []byte) {
	ec := ch.Context().(*echoChannel)
	if e.r.o.Rate > 0 {
		ec.mu.Lock()
		defer ec.mu.Unlock()
	}
	e.answered(ec, len(p))
	if e.r.o.Rate == 0 {
		e.fill(ch, ec)
	}
}

// answered counts n bytes that came back.
func (e *echo) answered(ec *echoChannel, n int) {
	ec.got += n
	e.r.bytes.Add(int64(n))
	if ec.got < len(e.message) {
		return
	}
	now := time.Since(e.began)
	for ; ec.got >= len(e.message) && ec.n > 0; ec.got -= len(e.message) {
		e.r.latency.Record(now - ec.sent[ec.first])
		ec.first = (ec.first + 1) % len(ec.sent)
		ec.n--
		e.r.messages.Add(1)
	}
}

// pace sends messages at the connection's share of the rate, whether answers come or not, and counts
// their latency from the moment they were due: a server that stands still is charged for all that
// should have been sent meanwhile (no coordinated omission).
func (e *echo) pace(all []*echoChannel) {
	<-e.r.ready
	interval := time.Duration(float64(time.Second) * float64(e.r.o.Conns) / float64(e.r.o.Rate))
	next := time.Since(e.began)
	for i := 0; ; i++ {
		if wait := next - time.Since(e.began); wait > 0 {
			select {
			case <-time.After(wait):
			case <-e.quit:
				return
			}
		}
		ec := all[i%len(all)]
		ec.mu.Lock()
		ec.due = append(ec.due, next)
		e.catchUp(ec)
		ec.mu.Unlock()
		next += interval
	}
}

// catchUp sends what is due on a channel, as far as there is room.
func (e *echo) catchUp(ec *echoChannel) {
	for len(ec.due) > 0 && !e.r.stopped.Load() && ec.open {
		if ec.ch.Send(e.message) != nil {
			return
		}
		ec.push(ec.due[0])
		ec.due = ec.due[1:]
	}
}

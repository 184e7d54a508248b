package bench

import (
	"fmt"
	"sync"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// roam is a workload that keeps some messages under way among any number of channels: each that comes back has the
// next one sent on another channel, so that all of them are used in turn, and in no order that caches know.
// Its engine has one loop.
type roam struct {
	base
	under   int // messages under way
	message []byte
	began   time.Time

	mu       sync.Mutex
	channels []engine.Channel
	at, step int // of channels: the one used last, and how far it is to the next
	free     []*underway
	over     bool
}

// underway is what is under way on a channel. Channels on which nothing is have none.
type underway struct {
	sent []time.Duration
	got  int // bytes of the oldest that came back
}

func newRoam(r *run, under int) *roam {
	return &roam{base: base{r}, under: under, message: make([]byte, r.o.Size), began: time.Now()}
}

func (w *roam) start(c *engine.Conn) { w.openAll(c, "echo", func() any { return nil }) }

// OnWritable means that the channel was accepted: what is under way never fills one.
func (w *roam) OnWritable(ch engine.Channel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.channels = append(w.channels, ch)
	w.r.opened.Add(1)
}

// begin begins to send; all channels are open.
func (w *roam) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.step != 0 || len(w.channels) == 0 {
		return
	}
	w.step = stride(len(w.channels))
	for range w.under {
		w.send()
	}
}

// stop has nothing more sent.
func (w *roam) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}

// stride is a step of about 0.6 n that passes all of n before it comes back.
func stride(n int) int {
	for s := max(n*618/1000, 1); ; s++ {
		if gcd(s, n) == 1 {
			return s
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// send sends a message on the next channel. mu is held.
func (w *roam) send() {
	if w.over {
		return
	}
	w.at = (w.at + w.step) % len(w.channels)
	ch := w.channels[w.at]
	u, ok := ch.Context().(*underway)
	if !ok {
		if u = new(underway); len(w.free) > 0 {
			u, w.free = w.free[len(w.free)-1], w.free[:len(w.free)-1]
		}
		ch.SetContext(u)
	}
	u.sent = append(u.sent, time.Since(w.began))
	if err := ch.Send(w.message); err != nil {
		w.r.lose(fmt.Errorf("sending one message: %w", err))
	}
}

func (w *roam) OnData(ch engine.Channel, p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, ok := ch.Context().(*underway)
	if !ok {
		w.r.lose(fmt.Errorf("%d bytes came on a channel on which nothing is under way", len(p)))
		return
	}
	u.got += len(p)
	n := min(u.got/len(w.message), len(u.sent))
	u.got -= n * len(w.message)
	now := time.Since(w.began)
	for _, sent := range u.sent[:n] {
		w.r.latency.Record(now - sent)
	}
	if u.sent = u.sent[:copy(u.sent, u.sent[n:])]; len(u.sent) == 0 {
		ch.SetContext(nil)
		w.free = append(w.free, u)
	}
	w.r.messages.Add(int64(n))
	w.r.bytes.Add(int64(n * len(w.message)))
	for range n {
		w.send()
	}
}

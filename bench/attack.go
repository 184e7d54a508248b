package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// attackConfig is what attackers do; it goes to their process as JSON.
type attackConfig struct {
	Addr  string
	Flood string
	Conns int
	Limit int     // channels that a connection may have open
	Rate  float64 // frames a second of all; 0 means as fast as they go
}

// AttackCount is what attackers have done so far.
type AttackCount struct {
	Frames int64            `json:"frames"` // written; not all of them were read
	Conns  int64            `json:"conns"`  // connections that were made
	Open   int              `json:"open"`   // those there are; of several rounds, the fewest
	Ends   map[string]int64 `json:"ends"`   // those that ended, by the code of the server's ERROR or in other words
	Took   time.Duration    `json:"took_ns"`
}

// add adds what others of the same kind did.
func (a *AttackCount) add(b *AttackCount) {
	a.Frames += b.Frames
	a.Conns += b.Conns
	a.Open = min(a.Open, b.Open)
	a.Took += b.Took
	for why, n := range b.Ends {
		if a.Ends == nil {
			a.Ends = make(map[string]int64)
		}
		a.Ends[why] += n
	}
}

// attackers are connections that attack, in a process of their own: one that floods would be the first
// victim of what it does to the scheduler of Go.
type attackers struct{ process }

// startAttack starts attackers.
func (p Program) startAttack(ctx context.Context, cfg attackConfig) (*attackers, error) {
	started, err := p.start(ctx, attackProcess, cfg, startLow)
	if err != nil {
		return nil, err
	}
	return &attackers{*started}, nil
}

// firstFrames is how long attackers may take to begin: they have what others leave of the processors.
const firstFrames = 20 * time.Second

// begun waits until the attackers have said something.
func (a *attackers) begun(ctx context.Context) error {
	for deadline := time.Now().Add(firstFrames); ; {
		c, err := a.count()
		switch {
		case err != nil || c.Frames > 0:
			return err
		case time.Now().After(deadline):
			return errors.New("the attackers do not get to anything: the processors are busy")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// count asks the attackers what they have done.
func (a *attackers) count() (c AttackCount, err error) {
	err = a.ask(askUsage, &c)
	return c, err
}

// attack is what the connections of attackMain have in common.
type attack struct {
	cfg    attackConfig
	flood  flood
	began  time.Time
	frames atomic.Int64
	over   chan struct{} // closed when the attack is to end

	mu    sync.Mutex
	made  int64
	conns map[net.Conn]bool
	ends  map[string]int64
}

// attackMain is the other end of startAttack: it attacks until in ends.
func attackMain(in io.Reader, out io.Writer) error {
	a := &attack{
		began: time.Now(), over: make(chan struct{}), conns: make(map[net.Conn]bool), ends: make(map[string]int64),
	}
	lines, err := readConfig(in, &a.cfg)
	if err != nil {
		return err
	}
	if a.flood, err = floodNamed(a.cfg.Flood); err != nil {
		return err
	}
	var all sync.WaitGroup
	for range a.cfg.Conns {
		all.Go(a.again)
	}
	err = answer(lines, out, func(string) (any, error) { return a.count(), nil })
	a.stop()
	all.Wait()
	return err
}

// floodNamed returns a kind of flood.
func floodNamed(name string) (flood, error) {
	var names []string
	for _, f := range floods() {
		if f.name == name {
			return f, nil
		}
		names = append(names, f.name)
	}
	return flood{}, fmt.Errorf("there is no flood %q; there are %v", name, names)
}

// again attacks with one connection after another.
func (a *attack) again() {
	for !a.isOver() {
		if why := a.attackOnce(); !a.isOver() {
			a.mu.Lock()
			a.ends[why]++
			a.mu.Unlock()
		}
		a.rest(reconnectPause)
	}
}

// isOver returns whether the attack is to end.
func (a *attack) isOver() bool {
	select {
	case <-a.over:
		return true
	default:
		return false
	}
}

// rest lets time pass, unless the attack is to end.
func (a *attack) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-a.over:
	}
}

// enter notes a connection, unless the attack is to end.
func (a *attack) enter(c net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isOver() {
		return false
	}
	a.made++
	a.conns[c] = true
	return true
}

// leave notes that a connection has ended.
func (a *attack) leave(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
}

// stop ends all connections.
func (a *attack) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.over)
	for c := range a.conns {
		c.Close()
	}
}

func (a *attack) count() AttackCount {
	a.mu.Lock()
	defer a.mu.Unlock()
	return AttackCount{
		Frames: a.frames.Load(), Conns: a.made, Open: len(a.conns), Ends: maps.Clone(a.ends), Took: time.Since(a.began),
	}
}

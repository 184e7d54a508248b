package core

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// atOnce runs f on several goroutines, each with numbers of its own.
func atOnce(goroutines int, f func(r *rand.Rand)) {
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() { f(rand.New(rand.NewPCG(uint64(i), 0))) })
	}
	all.Wait()
}

// Many goroutines take and give on budgets that share a parent. None has ever more than it may, and when all is
// given back nothing is used, of the parent neither.
func TestBudgetsOfManyGoroutines(t *testing.T) {
	const most, shared = 60 << 10, 100 << 10
	parent := NewBudget(shared, nil)
	budgets := [...]*Budget{NewBudget(most, parent), NewBudget(most, parent), NewBudget(most, parent)}
	for _, b := range budgets {
		if b.Take(most+1) || b.Used() != 0 || parent.Used() != 0 {
			t.Fatal("took more than there is")
		}
	}
	atOnce(8, func(r *rand.Rand) {
		var taken [len(budgets)]int
		for range 2000 {
			i := r.IntN(len(budgets))
			switch n := 1 + r.IntN(20_000); {
			case r.IntN(2) == 0:
				if budgets[i].Take(n) {
					taken[i] += n
				}
			default:
				n = min(n, taken[i])
				budgets[i].Give(n)
				taken[i] -= n
			}
			if budgets[i].Room() > most/2 || parent.Room() > shared/2 {
				t.Error("more room than there is")
			}
		}
		for i, n := range taken {
			budgets[i].Give(n)
		}
	})
	for i, b := range budgets {
		if b.Used() != 0 {
			t.Errorf("%d bytes of budget %d used at the end", b.Used(), i)
		}
	}
	if parent.Used() != 0 {
		t.Errorf("%d bytes of the parent used at the end", parent.Used())
	}
}

// What a budget draws from its parent is what it has booked, rounded up to a step, whatever was refused meanwhile.
func TestBudgetDrawsInSteps(t *testing.T) {
	parent := NewBudget(10*budgetStep, nil)
	a, b := NewBudget(1<<20, parent), NewBudget(1<<20, parent)
	for _, c := range []struct {
		of    *Budget
		n     int
		ok    bool
		drawn int64 // of the parent then, in steps
	}{
		{a, 1, true, 1}, {a, budgetStep - 1, true, 1}, {a, 1, true, 2},
		{b, 8 * budgetStep, true, 10}, {b, 1, false, 10}, {a, budgetStep - 1, true, 10}, {a, 1, false, 10},
		{a, -1, true, 10}, {a, -budgetStep, true, 9}, {b, budgetStep, true, 10},
		{b, -9 * budgetStep, true, 1}, {a, 1 - budgetStep, true, 0},
	} {
		ok := true
		if c.n < 0 {
			c.of.Give(-c.n)
		} else {
			ok = c.of.Take(c.n)
		}
		if ok != c.ok || parent.Used() != c.drawn*budgetStep {
			t.Fatalf("%+d bytes: %v, and %d steps drawn, want %v and %d", c.n, ok, parent.Used()/budgetStep, c.ok, c.drawn)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("more was given back than taken")
		}
	}()
	a.Give(1)
}

// Goroutines reserve on a few channels while the loop, here one goroutine, frees what left. What is booked in the
// end is what the budget says, and nothing once the channels have ended.
func TestGatesOfManyGoroutines(t *testing.T) {
	const limit, low = 20_000, 10_000
	parent := NewBudget(60<<10, nil)
	m := NewBudget(50<<10, parent)
	var gates [4]gate
	for i := range gates {
		gates[i].reset(1)
	}
	type booking struct{ gate, n int }
	mail := make(chan booking, 64)
	var loop sync.WaitGroup
	loop.Go(func() {
		var queued [len(gates)]int
		r := rand.New(rand.NewPCG(0, 1))
		for b := range mail {
			queued[b.gate] += b.n
			switch r.IntN(3) {
			case 0:
				gates[b.gate].free(queued[b.gate], low, m)
				queued[b.gate] = 0
			case 1:
				gates[b.gate].heed()
			}
		}
	})
	atOnce(8, func(r *rand.Rand) {
		for range 1000 {
			i, n := r.IntN(len(gates)), cost(r.IntN(12_000))
			switch gates[i].reserve(1, n, limit, m) {
			case SendOK:
				mail <- booking{i, n}
			case SendClosed:
				t.Error("a channel that is open takes nothing")
			}
			if gates[i].reserve(2, n, limit, m) != SendClosed {
				t.Error("a channel that is not there takes something")
			}
		}
	})
	close(mail)
	loop.Wait()
	sum := 0
	for i := range gates {
		sum += counted(int(gates[i].word.Load() & gateQueued))
	}
	if m.Used() != int64(sum) {
		t.Errorf("%d bytes used, the channels booked %d", m.Used(), sum)
	}
	for i := range gates {
		if !gates[i].set(1, gateShut|gateClosed) || gates[i].set(1, gateShut) {
			t.Error("a gate shuts once")
		}
		gates[i].close(m)
	}
	if m.Used() != 0 || parent.Used() != 0 {
		t.Errorf("%d bytes used at the end, %d of the parent", m.Used(), parent.Used())
	}
}

// A channel ends while many goroutines reserve on it: what they booked before goes back with it, and nothing can be
// booked behind that.
func TestGateEndsUnderItsSenders(t *testing.T) {
	m := NewBudget(1<<30, nil)
	for range 50 {
		var g gate
		g.reset(7)
		start := make(chan struct{})
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				<-start
				for g.reserve(7, 5000, 1<<20, m) != SendClosed {
					runtime.Gosched()
				}
			})
		}
		all.Go(func() {
			<-start
			g.set(7, gateShut|gateClosed)
			g.close(m)
		})
		close(start)
		all.Wait()
		if n := g.word.Load() & gateQueued; n != 0 || m.Used() != 0 {
			t.Fatalf("%d bytes booked at the end, %d used", n, m.Used())
		}
		if !g.isClosed() || !g.isShut() {
			t.Fatal("the gate is open")
		}
		g.end()
		if g.generation() != 8 || g.reserve(7, 1, 100, m) != SendClosed || g.reserve(8, 1, 100, m) != SendClosed {
			t.Fatal("an ended gate takes something")
		}
	}
}

// A queue holds more than SendQueue where its sender wants that, as long as that presses nobody.
func TestReserveMore(t *testing.T) {
	const queue = 64 << 10
	for _, c := range []struct{ memory, least, most int }{
		{64 << 20, 16 * queue, 16 * queue},
		{1 << 20, 3 * queue, 6 * queue}, // a quarter of what is spare at first
		{3 * queue, queue / 2, 2 * queue},
	} {
		cfg := &Config{Pool: new(pool.Pool), SendQueue: queue, ConnMemory: int64(c.memory)}
		cfg.Prepare()
		conn, handles := greeted(t, cfg, 0, 0, 1)
		n := 0
		for conn.Reserve(handles[0], 4096, 15*queue) == SendOK {
			n += 4096
		}
		if n < c.least || n > c.most {
			t.Errorf("%d bytes are queued of %d in all, want %d to %d", n, c.memory, c.least, c.most)
		}
		conn.Abort(&End{Code: codec.Cancelled})
	}
}

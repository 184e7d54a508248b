//go:build linux

package uringio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
)

// echoes sends n bytes of a pattern in messages of several sizes, as far as credit goes on a fresh channel 1, and checks
// what comes back.
func echoes(p *evlooptest.Peer, n, from int) error {
	want := evlooptest.Pattern(n, from)
	var got []byte
	for sent, credit, i := 0, 65536, 0; len(got) < n; {
		var all []byte
		for sent < n {
			size := min(n-sent, []int{1, 700, 5000, 16000}[i%4])
			if size > credit {
				break
			}
			all = append(all, evlooptest.Frame(codec.Data, 1, want[sent:sent+size])...)
			sent, credit, i = sent+size, credit-size, i+1
		}
		if len(all) > 0 {
			if _, err := p.NC.Write(all); err != nil {
				return err
			}
		}
		kind, payload, err := p.Read()
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", len(got), err)
		}
		switch kind {
		case "DATA 1":
			got = append(got, payload...)
		case "FLOW_CONTROL 1":
			credit += int(binary.BigEndian.Uint32(payload))
		}
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("other bytes came back")
	}
	return nil
}

// A ring in which everything runs short, and 1,000 connections that all want much at the same time: nobody is
// forgotten, nothing is lost.
func TestStarvation(t *testing.T) {
	const conns, each = 1000, 64 << 10
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); limit.Cur < 2*conns+100 {
		t.Skip("too few descriptors: ", limit.Cur)
	}
	r, l := serve(t, small, func(c *core.Config) {
		c.SendQueue = 2 * each
		c.Timeouts = core.Timeouts{Keepalive: time.Hour, Frame: time.Hour, Stall: time.Hour} // however slow the machine is
	})
	var peers []*evlooptest.Peer
	for range conns {
		_, p := r.Join(l)
		peers = append(peers, p)
	}
	release := r.Hold(l)
	defer release()
	var wg sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(conns)
	for i, p := range peers {
		wg.Go(func() {
			all := append(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30)...)
			_, err := p.NC.Write(all)
			ready.Done()
			if err == nil {
				err = echoes(p, each, i<<8)
			}
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	ready.Wait()
	release()
	wg.Wait()
	time.Sleep(watchPeriod + 100*time.Millisecond) // so that the watch has looked
	r.Inside(l, func() { settled(t, l) })
	c := &l.Counters
	t.Logf("no buffers: %d, overflows: %d, busy: %d, unarmed: %d",
		c.NoBuffers.Load(), c.Overflows.Load(), c.Busy.Load(), c.Unarmed.Load())
	if c.NoBuffers.Load() == 0 || c.Overflows.Load() == 0 {
		t.Error("nothing ran short")
	}
	if n, most := c.NoBuffers.Load(), uint64(4*conns*each/small.BufferSize); n > most {
		t.Errorf("%d times there was no buffer: more than %d, so it was not those who could have one that tried", n, most)
	}
	for _, p := range peers {
		p.CloseWrite()
	}
	for i, p := range peers {
		if n, err := io.Copy(io.Discard, p.R); err != nil || n > 10*codec.HeaderSize {
			t.Errorf("connection %d: %d bytes come last, %v", i, n, err)
		}
	}
}

// Connections may end, and the loop, while they wait for a buffer.
func TestEndsWithoutABuffer(t *testing.T) {
	const each = 64 << 10
	r, l := serve(t, small, func(c *core.Config) { c.SendQueue = 2 * each })
	var stay, leave []*evlooptest.Peer
	for range 100 {
		for _, to := range []*[]*evlooptest.Peer{&stay, &leave} {
			_, p := r.Join(l)
			p.Say(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30))
			*to = append(*to, p)
		}
	}
	var wg sync.WaitGroup
	for i, p := range stay {
		wg.Go(func() {
			if err := echoes(p, each, i<<8); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	for _, p := range leave {
		wg.Go(func() {
			p.NC.Write(evlooptest.Frame(codec.Data, 1, make([]byte, 16000)))
			p.Close()
		})
	}
	wg.Wait()
	evlooptest.Until(t, "the end of those who left", func() bool { return r.Conns() == int64(len(stay)) })
	if l.Counters.NoBuffers.Load() == 0 {
		t.Error("there was a buffer for everybody")
	}
	r.Inside(l, func() { settled(t, l) })
	for _, p := range stay {
		p.NC.Write(evlooptest.Frame(codec.FirstExtension, 0, make([]byte, 16000)))
	}
}

// Clients that come all at once, to a queue of 8: all are accepted and armed.
func TestManyClientsAtOnce(t *testing.T) {
	r, l := serve(t, small)
	d := r.Listen("127.0.0.1:0")
	for range 3 {
		release := r.Hold(l)
		var peers []*evlooptest.Peer
		for range 100 {
			peers = append(peers, d.Dial(t))
		}
		release()
		for _, p := range peers {
			greet(p)
			p.Ask("hello")
		}
		r.Inside(l, func() { settled(t, l) })
		for _, p := range peers {
			p.Close()
		}
		evlooptest.Until(t, "the end of all", func() bool { return r.Conns() == 0 })
	}
}

// What the queue has no room for is queued in the next turn, which comes at once: each number of connections is tried,
// so that some time it is the watch of the eventfd, a listener or a connection that is left over.
func TestNothingIsLeftOver(t *testing.T) {
	for n := range 2*small.Entries + 2 {
		r, l := newRig(t, small)
		var peers []*evlooptest.Peer
		for range n {
			_, p := r.Join(l)
			peers = append(peers, p)
		}
		r.Start()
		time.Sleep(time.Millisecond) // so that it sleeps, mostly
		r.Inside(l, func() {})
		for _, p := range peers {
			greet(p)
		}
		d := r.Listen("127.0.0.1:0")
		greet(d.Dial(t))
	}
}

// Buffers are needed by somebody who writes without an end, and by others.
func TestAFloodStarvesNobody(t *testing.T) {
	r, l := serve(t, small)
	m, flood := r.Join(l)
	greet(flood)
	r.Inside(l, func() { m.OnData = func(core.Handle, []byte) {} })
	_, p := r.Join(l)
	greet(p)
	var wg sync.WaitGroup
	wg.Go(func() {
		chunk := evlooptest.Frame(codec.FirstExtension, 0, make([]byte, 3000)) // needs no credit
		for {
			if _, err := flood.NC.Write(chunk); err != nil {
				return
			}
		}
	})
	for range 200 {
		p.Ask("is it my turn")
	}
	flood.Close()
	wg.Wait()
}

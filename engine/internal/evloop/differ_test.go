//go:build linux

package evloop_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
)

// script is what a peer says.
type script struct {
	channels int
	chunks   [][]byte // frames, cut somewhere
	echoes   int      // bytes that must come back before the last words
	last     []byte   // damaged, cut off, or nothing
	reset    bool     // at the end; else the peer's direction ends
}

// newScript makes one up.
func newScript(rnd *rand.Rand) *script {
	s := &script{channels: 1 + rnd.IntN(5), reset: rnd.IntN(4) == 0}
	var all []byte
	credit := slices.Repeat([]int{60_000}, s.channels)
	all = append(evlooptest.Opens(s.channels), evlooptest.Grants(s.channels, 1<<30)...)
	for range rnd.IntN(60) {
		i := rnd.IntN(s.channels)
		n := min(credit[i], []int{0, 1, 30, 600, 5000, 16384}[rnd.IntN(6)])
		if rnd.IntN(10) == 0 {
			all = append(all, evlooptest.Frame(codec.FirstExtension, 0, evlooptest.Pattern(min(n, 1000), 0))...)
			continue
		}
		credit[i] -= n
		s.echoes += n
		all = append(all, evlooptest.Frame(codec.Data, uint32(2*i+1), evlooptest.Pattern(n, rnd.IntN(1<<20)))...)
	}
	most := []int{3, 300, 70_000}[rnd.IntN(3)]
	if len(all) > 20_000 {
		most = max(most, 300)
	}
	for len(all) > 0 {
		n := min(len(all), 1+rnd.IntN(most))
		s.chunks = append(s.chunks, all[:n])
		all = all[n:]
	}
	s.last = lastWords(rnd)
	return s
}

// lastWords is a frame that is damaged, or cut off, or neither; or no frame at all.
func lastWords(rnd *rand.Rand) []byte {
	p := evlooptest.Frame(codec.Data, 1, evlooptest.Pattern(1+rnd.IntN(2000), 0))
	switch rnd.IntN(6) {
	case 0:
		return nil
	case 1:
		return p[:rnd.IntN(len(p))]
	case 2:
		p[rnd.IntN(codec.HeaderSize)] ^= 1 << rnd.IntN(8)
	case 3:
		p[rnd.IntN(len(p))] ^= 1 << rnd.IntN(8)
	case 4:
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
	case 5:
		p = evlooptest.Frame(codec.Data, 77, p) // a channel that is not open
	}
	return p
}

// outcome is what came of a script.
type outcome struct {
	frames map[string]string // by kind and channel: their payloads, one behind the other; how many, if these are grants
	ended  string
	server string // how it ended for the server
}

func (o outcome) String() string {
	var out []string
	for kind, p := range o.frames {
		out = append(out, fmt.Sprintf("%s %d bytes %x", kind, len(p), p[:min(len(p), 40)]))
	}
	slices.Sort(out)
	return fmt.Sprintf("%s; ended: %s; for the server: %s", strings.Join(out, ", "), o.ended, o.server)
}

// note notes a frame. How credit is granted in portions, and echoes are cut into frames, depends on when what arrives.
func (o *outcome) note(kind string, payload []byte) {
	if strings.HasPrefix(kind, "FLOW_CONTROL") {
		return
	}
	o.frames[kind] += string(payload)
	if !strings.HasPrefix(kind, "DATA") {
		o.frames[kind] += "|"
	}
}

// play plays a script and returns what comes of it.
func (s *script) play(r *evlooptest.Rig) (o outcome, err error) {
	m, p := r.JoinTCP(r.Loops[0])
	o.frames = make(map[string]string)
	written := make(chan error, 1)
	go func() {
		var err error
		for _, c := range s.chunks {
			if _, err = p.NC.Write(c); err != nil {
				break
			}
		}
		written <- err
	}()
	for acks, left := 0, s.echoes; acks < s.channels || left > 0; {
		kind, payload, err := p.Read()
		if err != nil {
			return o, fmt.Errorf("%d bytes are missing: %w", left, err)
		}
		if o.note(kind, payload); strings.HasPrefix(kind, "ACK") {
			acks++
		} else if strings.HasPrefix(kind, "DATA") {
			left -= len(payload)
		}
	}
	if err := <-written; err != nil {
		return o, err
	}
	p.NC.Write(s.last)
	if s.reset {
		p.NC.(*net.TCPConn).SetLinger(0)
		p.Close()
		o.ended = "by the peer"
	} else {
		p.CloseWrite()
		o.ended = s.hear(p, &o)
	}
	select {
	case <-m.Over:
	case <-time.After(evlooptest.Patience):
		return o, errors.New("the server does not end the connection")
	}
	o.server = fmt.Sprintf("%v remote %v %q", m.End.Code, m.End.Remote, m.End.Reason)
	if s.reset { // what was said before may be lost, or not
		o.server = ""
	}
	return o, nil
}

// hear reads until the end and returns how that was.
func (s *script) hear(p *evlooptest.Peer, o *outcome) string {
	for {
		kind, payload, err := p.Read()
		switch {
		case err == io.EOF:
			return "EOF"
		case errors.Is(err, unix.ECONNRESET):
			return "reset"
		case err != nil:
			return err.Error()
		}
		o.note(kind, payload)
	}
}

// The same bytes, valid ones and damaged ones, have the same outcome with each backend.
func TestBackendsDoTheSame(t *testing.T) {
	needRing(t)
	seeds := []uint64{1, 2, 3, 4}
	for range 2 {
		seeds = append(seeds, rand.Uint64())
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			scripts := make([]*script, 40)
			for i := range scripts {
				scripts[i] = newScript(rnd)
			}
			var results [2][]outcome
			for b := range backends {
				r := evlooptest.Serve(t, backends[b].maker, 1, func(c *core.Config) { c.SendQueue = 1 << 20 })
				results[b] = make([]outcome, len(scripts))
				var wg sync.WaitGroup
				for i, s := range scripts {
					wg.Go(func() {
						var err error
						if results[b][i], err = s.play(r); err != nil {
							t.Errorf("%s, connection %d: %v", backends[b].name, i, err)
						}
					})
				}
				wg.Wait()
			}
			for i := range scripts {
				if a, b := results[0][i].String(), results[1][i].String(); a != b {
					t.Errorf("connection %d, whose last words are %.40x:\nepoll:    %s\nio_uring: %s", i, scripts[i].last, a, b)
				}
			}
		})
	}
}

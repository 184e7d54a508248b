// Package claims measures what the Single-Socket Channel pattern promises of itself, each claim beside one that does
// without: mostly one connection per conversation, with a goroutine for each, as one writes it with package net.
package claims

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// Options are what to measure and how.
type Options struct {
	Conversations int           `json:"conversations"` // channels of our one connection; connections of the other
	Rounds        int           `json:"rounds"`        // of each side, in turn
	Duration      time.Duration `json:"duration"`      // of each measurement that takes time
	FileBytes     int64         `json:"file_bytes"`    // how long the file is that is sent
	Only          []string      `json:"only,omitempty"`
}

// Defaults are the standard Options.
func Defaults() Options {
	return Options{Conversations: 1000, Rounds: 5, Duration: time.Second, FileBytes: 256 << 20}
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	switch {
	case o.Conversations < 1 || o.Conversations > 1<<20:
		return fmt.Errorf("conversations is %d, not 1 to %d", o.Conversations, 1<<20)
	case o.Rounds < 1 || o.Rounds > 1000:
		return fmt.Errorf("rounds is %d, not 1 to 1,000", o.Rounds)
	case o.Duration <= 0:
		return fmt.Errorf("duration is %v, not more than 0", o.Duration)
	}
	if err := bench.CheckFileBytes(o.FileBytes); err != nil {
		return err
	}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("there is no claim %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return nil
}

// side measures once, with a server of its own.
type side func(ctx context.Context, m *meter) (float64, error)

// trial is how a claim is measured.
type trial struct {
	name   string
	claim  string
	factor float64 // how many times better ours is to be
	unit   string
	more   bool // is better
	// What the two sides are, in words.
	oursIs, otherIs string
	ours, other     side
	whole           func(ctx context.Context, m *meter, c *Claim) error // instead of both
}

// trials lists all claims.
func trials() []trial {
	return []trial{
		{name: "setup", claim: "conversations begin 3 times faster", factor: 3, unit: "conversations/s", more: true,
			oursIs: "channels of one new connection", otherIs: "a connection each",
			ours: setupOurs, other: setupTCP},
		{name: "descriptors", claim: "1000 times fewer descriptors", factor: 1000, unit: "descriptors of the server",
			oursIs: "one connection", otherIs: "a connection each",
			ours: filesOurs, other: filesTCP},
		{name: "calls", claim: "50 % fewer system calls by batching", factor: 2, unit: "reads and writes per message",
			oursIs: "one connection", otherIs: "a connection each",
			ours: callsOurs, other: callsTCP},
		{name: "zerocopy", claim: "2 times the throughput by zero copy", factor: 2, unit: "MB/s", more: true,
			oursIs: "SendFile by sendfile", otherIs: "SendFile by read and write",
			whole: zeroCopy},
		{name: "latency", claim: "30 % less latency by tuned sockets", factor: 1 / 0.7, unit: "µs, p99",
			oursIs: "NODELAY, NOTSENT_LOWAT", otherIs: "ours with the kernel's defaults",
			whole: latency},
		{name: "reuse", claim: "20 % fewer allocations by reuse", factor: 1.25, unit: "allocations per message",
			oursIs: "pooled buffers", otherIs: "TCP, a buffer for each read",
			ours: mallocsOurs, other: mallocsTCP},
		{name: "io_uring", claim: "3 times the connections by io_uring", factor: 3, unit: "server CPU, µs per message",
			oursIs: "io_uring", otherIs: "epoll",
			whole: uring},
	}
}

// Names lists the claims.
func Names() (names []string) {
	for _, t := range trials() {
		names = append(names, t.name)
	}
	return names
}

// meter is what sides measure with.
type meter struct {
	Options
	p     bench.Program
	stage bench.Progress
}

// Measure measures all claims, or those of o.Only.
func Measure(ctx context.Context, o Options, p bench.Program, progress bench.Progress) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	res := &Report{Options: o}
	for _, t := range trials() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, t.name) {
			continue
		}
		c := Claim{
			Name: t.name, Claim: t.claim, Factor: t.factor, Unit: t.unit, OursIs: t.oursIs, OtherIs: t.otherIs,
		}
		if err := t.measure(ctx, &meter{o, p, progress}, &c); err != nil {
			return nil, fmt.Errorf("claim %s: %w", t.name, err)
		}
		c.judge()
		res.Claims = append(res.Claims, c)
	}
	return res, nil
}

// measure fills in what was measured.
func (t *trial) measure(ctx context.Context, m *meter, c *Claim) error {
	if t.whole != nil {
		return t.whole(ctx, m, c)
	}
	ours, other, err := m.inTurn(ctx, t.name, t.ours, t.other)
	if err != nil {
		return err
	}
	c.compare(ours, other, t.more)
	return nil
}

var errNothing = errors.New("nothing came back")

// inTurn measures two sides in turn, who goes first as well.
func (m *meter) inTurn(ctx context.Context, name string, a, b side) (as, bs []float64, err error) {
	progress := m.stage
	for i := range m.Rounds {
		m.stage = func(stage string, part float64, count int64) {
			if progress != nil {
				done := (float64(i) + min(part, 1)/2) / float64(m.Rounds)
				progress(fmt.Sprintf("%s, round %d of %d, %s", name, i+1, m.Rounds, stage), done, count)
			}
		}
		m.stage("begins", 0, 0)
		for j := range 2 {
			one, to := a, &as
			if (i+j)%2 == 1 {
				one, to = b, &bs
			}
			v, err := one(ctx, m)
			if err != nil {
				return nil, nil, err
			}
			*to = append(*to, v)
		}
	}
	m.stage = progress
	return as, bs, nil
}

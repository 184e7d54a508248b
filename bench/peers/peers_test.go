package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// TestMain makes this program the servers too.
func TestMain(m *testing.M) {
	if process := process(os.Args[1:]); process != nil {
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Every peer does every work. How fast decides nothing.
func TestEveryPeerWorks(t *testing.T) {
	for _, work := range []string{"echo", "bulk", "urgent"} {
		t.Run(work, func(t *testing.T) {
			o, err := parse([]string{"--work", work, "--channels", "3", "--rounds", "1", "--duration", "100ms",
				"--warmup", "10ms"}, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			o.program = bench.Program(os.Args[0])
			rows, err := measure(context.Background(), o, func(what string) { t.Log(what) })
			if err != nil {
				t.Fatal(err)
			}
			var table, raw bytes.Buffer
			if err := write(&table, o, rows); err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + table.String())
			for _, n := range peers() {
				if !strings.Contains(table.String(), "\n"+n.name+" ") {
					t.Errorf("no row of %s", n.name)
				}
			}
			if err := writeJSON(&raw, o, rows); err != nil || raw.Len() == 0 {
				t.Errorf("%d bytes of JSON, error %v", raw.Len(), err)
			}
		})
	}
}

func TestUses(t *testing.T) {
	for _, c := range []struct {
		mode bench.Mode
		load bench.UrgentLoad
		want string
	}{
		{bench.Echo, "", "ee"},
		{bench.Download, "", "dd"},
		{bench.Urgent, bench.Alone, "e"},
		{bench.Urgent, bench.BesideEqual, "edd"},
		{bench.Urgent, bench.BesideBulk, "ubb"},
	} {
		var got strings.Builder
		for _, u := range usesOf(bench.Options{Mode: c.mode, Channels: 2}, c.load) {
			got.WriteString(string(u))
		}
		if got.String() != c.want {
			t.Errorf("%s %s: %s, want %s", c.mode, c.load, got.String(), c.want)
		}
	}
}

// Messages that come back in pieces count when they are whole.
func TestEchoCountsWholeMessages(t *testing.T) {
	r := &run{o: bench.Options{Size: 4}, latency: bench.NewLatencies()}
	s := &pieces{sizes: []int{3, 6, 3}}
	if err := r.echo(s, 3); err == nil || r.messages.Load() != 3 || s.written != 6*4 || r.opened.Load() != 1 {
		t.Errorf("error %v, %d messages, %d bytes sent", err, r.messages.Load(), s.written)
	}
	if l := r.latency.Summary(); l == nil || l.Max > time.Hour {
		t.Errorf("latencies %+v", l)
	}
}

// pieces is a stream on which as many bytes come at a time.
type pieces struct {
	sizes   []int
	written int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.written += len(b)
	return len(b), nil
}

func (p *pieces) Read([]byte) (int, error) {
	if len(p.sizes) == 0 {
		return 0, os.ErrClosed
	}
	n := p.sizes[0]
	p.sizes = p.sizes[1:]
	return n, nil
}

func TestWrongCommandLines(t *testing.T) {
	for _, line := range []string{"--work rest", "--peers yamux,nobody", "--rounds 0", "--channels 0", "--window 1", "more", "--what"} {
		if _, err := parse(strings.Fields(line), t.Output()); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

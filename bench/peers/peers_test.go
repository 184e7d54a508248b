package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// Every peer does every work that it can. How fast decides nothing.
func TestEveryPeerWorks(t *testing.T) {
	for _, work := range allWorks {
		t.Run(work, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "results")
			var table bytes.Buffer
			err := measureAll(context.Background(), []string{"--work", work, "--channels", "3", "--conns", "2",
				"--depth", "2", "--rounds", "1", "--duration", "40ms", "--warmup", "5ms", "--settle", "5ms",
				"--file-bytes", "100000", "--json", file}, &table, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + table.String())
			for _, n := range peers() {
				if !strings.Contains(table.String(), "\n"+n.name+" ") {
					t.Errorf("no row of %s", n.name)
				}
			}
			for line := range strings.Lines(table.String()) { // on a busy machine, nothing may come in time
				if strings.Contains(line, ": round ") && !strings.Contains(line, "nothing came") {
					t.Error(line)
				}
			}
			res, err := bench.ReadResults(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range res.Rows {
				if len(row.Rounds) != 1 || len(row.Rounds[0]) == 0 {
					t.Errorf("%s: %v", row.Key(), row.Rounds)
				}
			}
		})
	}
}

// What a peer cannot do is said, and nobody invents a figure for it.
func TestWhatPeersLack(t *testing.T) {
	o, err := parse([]string{"--work", "idle,echo,urgent"}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var lacks []string
	for _, v := range o.variants {
		for _, n := range o.peers {
			if r := v.row(o, n); r.missing != "" {
				lacks = append(lacks, fmt.Sprintf("%s %d %s", r.Workload, v.channels, n.name))
			}
		}
	}
	for _, want := range []string{"idle 1000000 yamux", "idle 1000000 http2", "idle 1000000 tcp", "echo 100 http1",
		"urgent 16 gnet", "urgent 16 smux", "echo 100 sscd"} {
		if !slices.Contains(lacks, want) {
			t.Errorf("%s is not among %q", want, lacks)
		}
	}
	for _, not := range []string{"idle 1000000 sscd", "idle 100000 yamux", "idle 100000 http2", "idle 100000 tcp"} {
		if slices.Contains(lacks, not) {
			t.Errorf("%s is lacking", not)
		}
	}
}

// A round that hangs is killed with all that it has started, and told as a reason.
func TestAHangEnds(t *testing.T) {
	hang := filepath.Join(t.TempDir(), "hang")
	if err := os.WriteFile(hang, []byte("#!/bin/sh\nsleep 300 & sleep 300\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := new(task).inProcess(context.Background(), hang)
	if err == nil || !strings.Contains(err.Error(), "not done within") || time.Since(began) > time.Minute {
		t.Errorf("error %v after %v", err, time.Since(began))
	}
	if _, err := (&task{Peer: "nobody", Patience: time.Minute}).inProcess(context.Background(), os.Args[0]); err == nil {
		t.Error("no error of a peer that is not there")
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
		{bench.Upload, "", "pp"},
		{bench.Idle, "", "ii"},
		{bench.File, "", "ff"},
		{bench.Fanout, "", "tgg"},
		{bench.Urgent, bench.Alone, "e"},
		{bench.Urgent, bench.BesideEqual, "edd"},
		{bench.Urgent, bench.BesideBulk, "ubb"},
	} {
		var got strings.Builder
		r := newRun(&task{Options: bench.Options{Mode: c.mode, Conns: 1, Channels: 2}, Load: c.load}, nil)
		for _, u := range r.uses() {
			got.WriteString(string(u))
		}
		if got.String() != c.want {
			t.Errorf("%s %s: %s, want %s", c.mode, c.load, got.String(), c.want)
		}
	}
}

// Messages that come back in pieces count when they are whole.
func TestEchoCountsWholeMessages(t *testing.T) {
	r := newRun(&task{Options: bench.Options{Size: 4}}, nil)
	s := &pieces{sizes: []int{3, 6, 3}}
	if err := r.echo(s, 3); err == nil || r.messages.Load() != 3 || s.written != 6*4 {
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
	for line, want := range map[string]string{
		"--work rest": `no work "rest"`, "--peers yamux,nobody": `no peer "nobody"; there are sscd, `, "--rounds 0": "rounds is 0",
		"--channels -1": "channels is -1", "--window 1": "window is 1", "more": `"more"`, "--what": "-what",
		"--backend pigeon": `"pigeon" is unknown`, "--settle -1s": "settle is -1s", "--json no/such/place": "no/such/place",
		"--file-bytes 0": "0 bytes",
	} {
		if _, err := parse(strings.Fields(line), t.Output()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}

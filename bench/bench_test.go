package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// TestMain makes this program its own server, as sscd-bench is.
func TestMain(m *testing.M) {
	if process := Process(os.Args[1:]); process != nil {
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func startServer(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	s, err := Program(os.Args[0]).StartServer(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// short is a run that takes no time to speak of.
func short(s *Server, mode Mode) Options {
	o := Defaults(mode)
	o.Addr = s.Addr
	o.Conns, o.Channels = 2, 10
	o.Duration, o.Warmup = 100*time.Millisecond, 10*time.Millisecond
	return o
}

func TestEveryModeMeasures(t *testing.T) {
	for _, backend := range []engine.Backend{engine.Epoll, engine.Net} {
		for _, mode := range Modes {
			t.Run(string(backend)+"/"+string(mode), func(t *testing.T) {
				s := startServer(t, ServerConfig{Backend: backend})
				o := short(s, mode)
				o.Client.Backend = backend
				var stages []string
				res, err := Run(context.Background(), o, s, func(stage string, part float64, _ int64) {
					if part < 0 || part > 2 {
						t.Errorf("%s: %v of it done", stage, part)
					}
					stages = append(stages, stage)
				})
				if err != nil {
					t.Fatal(err)
				}
				if len(stages) == 0 {
					t.Error("no progress was told")
				}
				if mode == Idle {
					if res.Idle.Channels != 20 || res.Idle.Before <= 0 || res.Idle.After <= 0 {
						t.Errorf("idle: %+v", *res.Idle)
					}
					return
				}
				if res.Messages <= 0 || res.ServerPerMillion <= 0 || res.ClientPerMillion <= 0 || res.FramesPerRead <= 0 {
					t.Errorf("result: %+v", res)
				}
				if bulk := mode == Upload || mode == Download; bulk && res.MBPerSecond <= 0 {
					t.Errorf("%v MB/s", res.MBPerSecond)
				} else if l := res.Latency; !bulk && (l == nil || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max) {
					t.Errorf("latency: %+v", l)
				}
			})
		}
	}
}

// With a rate, messages are sent when they are due, however slow the answers are.
func TestRateIsKept(t *testing.T) {
	s := startServer(t, ServerConfig{})
	o := short(s, Echo)
	o.Rate, o.Duration = 2000, 500*time.Millisecond
	res, err := Run(context.Background(), o, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The pacers begin to owe when the channels are open, so a slow machine only makes up later.
	if res.Messages < 500 || res.Messages > 2000 {
		t.Errorf("%d messages in half a second at 2,000 a second", res.Messages)
	}
}

// A message that waits is charged from the moment it was due: no coordinated omission.
func TestLatencyCountsFromWhenAMessageWasDue(t *testing.T) {
	r := &run{o: Options{Size: 4, Depth: 1, Rate: 1, Conns: 1}, latency: NewLatencies()}
	e := newEcho(r)
	e.began = time.Now().Add(-time.Hour)
	ec := &echoChannel{sent: make([]time.Duration, 1)}
	// Three messages were due long ago; their answers come now, in two pieces.
	for i := range 3 {
		ec.push(time.Hour - time.Duration(i+1)*10*time.Second)
	}
	e.answered(ec, 7)
	e.answered(ec, 5)
	l := r.latency.Summary()
	if r.messages.Load() != 3 || ec.n != 0 {
		t.Fatalf("%d messages, %d under way", r.messages.Load(), ec.n)
	}
	if l.P50 < 15*time.Second || l.Max < 29*time.Second {
		t.Errorf("latencies %+v", l)
	}
}

func TestALostServerEndsTheRun(t *testing.T) {
	s := startServer(t, ServerConfig{})
	o := short(s, Echo)
	o.Duration = time.Minute
	began := time.AfterFunc(300*time.Millisecond, func() { s.cmd.Process.Kill() })
	defer began.Stop()
	_, err := Run(context.Background(), o, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("error %v", err)
	}
	o.Addr = s.Addr
	if _, err := Run(context.Background(), o, nil, nil); err == nil {
		t.Error("no error where nobody listens")
	}
}

func TestWrongOptions(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Mode = "nope" }, `no mode "nope"`},
		{func(o *Options) { o.Conns = 0 }, "conns is 0"},
		{func(o *Options) { o.Channels = -1 }, "channels is -1"},
		{func(o *Options) { o.Size = 0 }, "size is 0"},
		{func(o *Options) { o.Size = 1 << 30 }, "size is 1073741824"},
		{func(o *Options) { o.Depth = 0 }, "depth is 0"},
		{func(o *Options) { o.Duration = 0 }, "duration is 0s"},
		{func(o *Options) { o.Warmup = -1 }, "warmup is -1ns"},
		{func(o *Options) { o.Rate = -1 }, "rate is -1"},
		{func(o *Options) { o.Rate, o.Mode = 5, Open }, "rate goes with modes echo and flood only"},
		{func(o *Options) { *o = Defaults(RTT); o.RTTs = nil }, "no RTTs"},
		{func(o *Options) { *o = Defaults(RTT); o.RTTs[0] = -1 }, "an RTT is -1ns"},
		{func(o *Options) { *o = Defaults(RTT); o.Addr = "localhost:1" }, "no address to give"},
		{func(o *Options) { *o = Defaults(Stall); o.Channels = 1 }, "two or more channels"},
		{func(o *Options) { *o = Defaults(File); o.Conns = 2 }, "mode file needs one connection"},
		{func(o *Options) { *o = Defaults(File); o.FileBytes = 0 }, "the file has 0 bytes"},
		{func(o *Options) { *o = Defaults(Flood); o.Floods = []string{"x"} }, `no flood "x"; there are [legal rapid-reset`},
	} {
		o := Defaults(Echo)
		c.change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	for _, m := range append(Modes, Comparisons...) {
		o := Defaults(m)
		if err := o.Check(); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if _, err := Run(context.Background(), o, nil, nil); err == nil {
			t.Errorf("%s: no error without a server", m)
		}
	}
}

func TestReports(t *testing.T) {
	res := &Result{
		Options: Defaults(Echo), Seconds: 10, Messages: 5_000_000, MessagesPerSecond: 500_000, MBPerSecond: 32,
		ServerPerMillion: 0.4567, ClientPerMillion: 0.7, FramesPerRead: 700, FramesPerWrite: 431.25,
		LongestTurn: 1234567 * time.Nanosecond,
		Latency: &Latency{
			P50: 1500 * time.Microsecond, P90: 2 * time.Millisecond, P99: 3 * time.Millisecond,
			P999: 4 * time.Millisecond, Max: 5 * time.Millisecond,
		},
	}
	var table bytes.Buffer
	if err := res.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	const want = `mode        echo: 1 connections x 100 channels, 64 bytes, 16 under way on each
messages/s  500000
MB/s        32.0 each way
server CPU  0.457 s per million
client CPU  0.700 s per million
latency     p50 1.5ms  p90 2ms  p99 3ms  p99.9 4ms  max 5ms
server      700.0 frames per read, 431.2 per write, longest turn 1.235ms
`
	if table.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", table.String(), want)
	}
	var raw bytes.Buffer
	if err := res.WriteJSON(&raw); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.ServerPerMillion != res.ServerPerMillion || *back.Latency != *res.Latency || back.Options.Mode != Echo {
		t.Errorf("read back: %+v", back)
	}
}

func TestServersAreProfiled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu")
	s, err := Program(os.Args[0]).StartServer(context.Background(), ServerConfig{CPUProfile: file})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(file); err != nil || len(raw) == 0 {
		t.Errorf("a profile of %d bytes, error %v", len(raw), err)
	}
}

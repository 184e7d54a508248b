package limits

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// TestMain makes this program its own server, as sscd-bench is.
func TestMain(m *testing.M) {
	if process := bench.Process(os.Args[1:]); process != nil {
		if err := process(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var gigabit = Line{
	Rate: 125e6, RTT: 60 * time.Millisecond, Loss: 0.001, MTU: 1500, Frame: 16384, Channels: 1000, Window: 65536,
	Memory: 1 << 30,
}

// Worked out by hand, with a pocket calculator.
func TestFormulas(t *testing.T) {
	r := Of(gigabit)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"bandwidth-delay product", r.Product, 7.5e6},
		{"packets in flight", r.Packets, 5000},
		{"frames in flight", r.Frames, 441.5},
		{"payload of frames", r.FrameShare, 0.99902},
		{"frames of packets", r.PacketShare, 0.96533},
		{"goodput", r.Goodput, 120.549e6},
		{"time of a frame, s", r.FrameTime.Seconds(), 135.9e-6},
		{"fair share", r.Share, 120549},
		{"window for it", r.ShareWindow, 7232.9},
		{"one channel", r.WindowCeiling, 1.09227e6},
		{"channels by memory", r.MaxChannels, 16384},
		{"memory, idle", r.Idle, 130533},
		{"round trips", float64(r.Filled), 9},
		{"Reno", r.Loss.Reno, 933832},
		{"CUBIC", r.Loss.Cubic, 1.0 * 38.7298 * 1448 * 0.99902 / 0.06}, // Reno's, which is higher here
		{"packets in flight under loss", r.Loss.InFlight, 38.73},
		{"stalls", r.Loss.Stall, 0.03801},
		{"own", r.Loss.Own, 3.8749e-5},
		{"others'", r.Loss.Others, 0.03797},
		{"apart", r.Loss.Apart, 120.549e6},
	} {
		if math.Abs(c.got/c.want-1) > 1e-3 {
			t.Errorf("%s: %v, not %v", c.name, c.got, c.want)
		}
	}
	long := gigabit
	long.RTT, long.Loss = 200*time.Millisecond, 1e-5
	// 1.054 (0.2 / 0.00001)^0.75 = 1773 packets, where Reno has 387.
	if r := Of(long); math.Abs(r.Loss.Cubic/(1772.6*1448*0.99902/0.2)-1) > 1e-3 {
		t.Errorf("CUBIC: %v", r.Loss.Cubic)
	}
	long.Loss, long.Rate = 0, 1e3
	if r := Of(long); r.Loss != nil || r.Filled != 0 {
		t.Errorf("without loss: %+v", r)
	}
}

func TestMistakes(t *testing.T) {
	for want, change := range map[string]func(*Line){
		"no bandwidth": func(l *Line) { l.Rate = math.NaN() },
		"latency":      func(l *Line) { l.RTT = 0 },
		"loss":         func(l *Line) { l.Loss = 1 },
		"mtu":          func(l *Line) { l.MTU = 52 },
		"frame":        func(l *Line) { l.Frame = 0 },
		"channels":     func(l *Line) { l.Channels = 0 },
		"window":       func(l *Line) { l.Window = -1 },
		"memory":       func(l *Line) { l.Memory = 0 },
	} {
		l := gigabit
		change(&l)
		if err := l.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := gigabit.Check(); err != nil {
		t.Error(err)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Of(gigabit).WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 Gbit/s", "7.5 MB ", "B x RTT", "1 - (1-p)^n", "3.801 % of round trips", "16384", "121 kB/s (964 kbit/s)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestCheck(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	l := gigabit
	l.Rate, l.RTT, l.Channels = 4e6, 4*time.Millisecond, 5
	o := bench.Defaults(bench.Download)
	o.Channels, o.Duration, o.Warmup = l.Channels, 100*time.Millisecond, 0
	m, err := bench.MeasureLine(context.Background(), o, bench.Line{RTT: l.RTT, Rate: l.Rate}, l.Window,
		bench.ServerConfig{}, bench.Program(os.Args[0]), func(string, float64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	c := Compare(Of(l), m)
	for _, r := range c.Rows {
		if r.Predicted <= 0 || r.Measured < 0 {
			t.Errorf("%+v", r)
		}
	}
	// Time decides nothing here but this: a line is not faster than it is.
	if m.RTT < l.RTT {
		t.Errorf("%+v", m)
	}
	c.AddLoss(nil, errors.New("no namespaces"))
	var b, raw bytes.Buffer
	if c.WriteTable(&b) != nil || c.WriteJSON(&raw) != nil {
		t.Fatal("not written")
	}
	if !strings.Contains(b.String(), "loss can't be emulated here: no namespaces") {
		t.Error(b.String())
	}
	c.AddLoss(&bench.LossResult{
		RTT: l.RTT, Rates: []bench.LossRate{{Control: "reno", Rate: 1e6}, {Control: "bbr", Rate: 3e6}}, Messages: 5,
		LateBy: l.RTT / 2, Late: 0.01, Packets: 1000, Lost: 2,
	}, nil)
	b.Reset()
	c.WriteTable(&b)
	for _, want := range []string{"packets lost", "0.1 %", "all channels, bbr", "late by 2ms", "0.499 %"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

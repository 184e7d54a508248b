package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// call calls a command line, and returns what it wrote to standard output and standard error.
func call(args ...string) (out, said string, err error) {
	c, rest := choose(args)
	var stdout, stderr bytes.Buffer
	err = c(context.Background(), rest, &stdout, &stderr)
	return stdout.String(), stderr.String(), err
}

func TestMistakesInCommandLines(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"dance", `"dance" is none of the commands`},
		{"--backend carrier-pigeon", `Backend "carrier-pigeon" is unknown`},
		{"--client-backend carrier-pigeon", `Backend "carrier-pigeon" is unknown`},
		{"--loops -1", "Loops is -1"},
		{"--sndbuf -1", "WriteBuffer is -1"},
		{"--conns 99999999999", "conns is 99999999999, not 1 to"},
		{"--channels 99999999999", "channels is 99999999999, not 1 to"},
		{"--channels 1000000 --depth 1000000", "1000000000000 messages under way"},
		{"--rate 99999999999", "rate is 99999999999, not 0 to"},
		{"--mode rtt --rtts soon", "rtts: "},
		{"--mode file --file-bytes 99999999999999", "not 1 to"},
		{"scale --conns 0", "conns is 0, not 1 to"},
		{"scale --size 99999", "size is 99999, not 1 to 16384"},
		{"scale --under 0", "under is 0, not 1 to"},
		{"scale --duration 0s", "duration is 0s"},
		{"claims --file-bytes 99999999999999", "not 1 to"},
		{"compare a b --json --benchfmt", "not both"},
		{"doctor --conns 0", "conns is 0, not 1 to"},
		{"doctor --conns 99999999999999", "conns is 99999999999999, not 1 to"},
		{"doctor --latency -1s", "latency is -1s"},
		{"doctor --bandwidth 7", "it needs a unit"},
		{"doctor now", `doctor takes no arguments, not "now"`},
		{"limits --loss 2", "is no part of packets"},
		{"limits --latency 0s", "latency is 0s"},
		{"limits --frame 0", "frame is 0, not 1"},
		{"limits --check --duration 0s", "duration is 0s"},
		{"limits x", `limits takes no arguments, not "x"`},
		{"claims --rounds 0", "rounds is 0"},
		{"claims --only setup,faster", `no claim "faster"`},
		{"claims x", `claims takes no arguments, not "x"`},
		{"tune --mode idle", "mode idle can't be tuned for"},
		{"tune --goal speed", `no goal "speed"`},
		{"tune --budget 0s", "budget is 0s"},
		{"tune --only mtu", `no knob "mtu"`},
		{"tune x", `tune takes no arguments, not "x"`},
		{"doctor --no", "not defined: -no"},
	} {
		_, _, err := call(strings.Fields(c.line)...)
		if !errors.As(err, new(flags.UsageError)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.line, err, c.want)
		}
	}
}

func TestHelp(t *testing.T) {
	all, said, err := call("help")
	if !errors.Is(err, flag.ErrHelp) || !strings.HasPrefix(all, "usage: sscd-bench [flags]\n") || said != "" {
		t.Errorf("help: error %v, said %q, wrote\n%s", err, said, all)
	}
	for _, c := range commands {
		out, said, err := call(c.name, "--help")
		if !errors.Is(err, flag.ErrHelp) || !strings.HasPrefix(out, "usage: sscd-bench "+c.name+" [flags]") || said != "" {
			t.Errorf("%s --help: error %v, said %q, wrote\n%s", c.name, err, said, out)
		}
		if !strings.Contains(all, "\n  "+c.name) {
			t.Errorf("help does not name %s", c.name)
		}
	}
}

func TestDoctor(t *testing.T) {
	out, _, err := call("doctor", "--conns", "1000000000")
	if err == nil || errors.As(err, new(flags.UsageError)) || !strings.Contains(out, "fail     descriptors") {
		t.Errorf("error %v, table\n%s", err, out)
	}
}

func TestLimits(t *testing.T) {
	out, _, err := call("limits", "--bandwidth", "1Gbit", "--loss", "0.1%")
	if err != nil || !strings.Contains(out, "bandwidth-delay product") {
		t.Errorf("error %v, table\n%s", err, out)
	}
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]rate{
		"1Gbit": 125e6, "1.5Mbit/s": 187500, "8bit": 1, "80MB/s": 80e6, "3B": 3, "7": 0, "0Gbit": 0, "-1MB": 0,
		"NaNMB": 0, "1e99GB": 0, "xGbit": 0,
	} {
		var r rate
		if err := r.Set(s); (err != nil) != (want == 0) || r != want {
			t.Errorf("%s: %v, error %v", s, float64(r), err)
		}
	}
	for s, want := range map[string]percent{"0.1%": 0.001, "0.25": 0.25, "0": 0, "100%": -1, "-1%": -1, "x": -1} {
		p := percent(-1)
		if err := p.Set(s); (err != nil) != (want < 0) || p != want {
			t.Errorf("%s: %v, error %v", s, float64(p), err)
		}
	}
	if r, p := rate(125e6), percent(0.001); r.String() != "1Gbit" || p.String() != "0.1%" {
		t.Errorf("%s %s", r.String(), p.String())
	}
}

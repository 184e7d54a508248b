package tune

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// knob is a flag of sscd serve that is tried with other values than its default.
type knob struct {
	flag   string
	values []string
	set    func(s *bench.ServerConfig, value string)
	only   []bench.Mode // in which it can matter; nil means all
}

// fits returns whether the knob can matter in a mode.
func (k *knob) fits(m bench.Mode) bool { return k.only == nil || slices.Contains(k.only, m) }

// The modes in which a server sends bulk, and in which it gets some. Echoes do both.
var (
	sends = []bench.Mode{bench.Echo, bench.Download}
	gets  = []bench.Mode{bench.Echo, bench.Upload}
)

// knobs lists all, those first that are likely to matter most.
func knobs() []knob {
	number := func(to func(s *bench.ServerConfig) *int) func(*bench.ServerConfig, string) {
		return func(s *bench.ServerConfig, v string) { *to(s), _ = strconv.Atoi(v) }
	}
	return []knob{
		{"backend", backends(), func(s *bench.ServerConfig, v string) { s.Backend = engine.Backend(v) }, nil},
		{"loops", loops(), number(func(s *bench.ServerConfig) *int { return &s.Loops }), nil},
		{"sndbuf", []string{"65536", "262144", "1048576", "4194304"},
			number(func(s *bench.ServerConfig) *int { return &s.Socket.WriteBuffer }), sends},
		{"rcvbuf", []string{"65536", "262144", "1048576", "4194304"},
			number(func(s *bench.ServerConfig) *int { return &s.Socket.ReadBuffer }), gets},
		{"conn-window", []string{"131072", "262144", "1048576", "4194304"},
			number(func(s *bench.ServerConfig) *int { return &s.ConnWindow }), gets},
		{"notsent-lowat", []string{"16384", "32768", "131072", "262144", "1048576"},
			number(func(s *bench.ServerConfig) *int { return &s.Socket.NotSentLowat }), sends},
		{"frame-size", []string{"4096", "8192", "32768", "65536"},
			number(func(s *bench.ServerConfig) *int { return &s.FrameSize }), sends},
		{"nodelay", []string{"false"}, func(s *bench.ServerConfig, _ string) { s.Socket.Nagle = true }, nil},
		{"quickack", []string{"true"}, func(s *bench.ServerConfig, _ string) { s.Socket.QuickAck = true }, nil},
	}
}

// Knobs lists their flags.
func Knobs() (names []string) {
	for _, k := range knobs() {
		names = append(names, k.flag)
	}
	return names
}

// backends are those besides the usual one.
func backends() (names []string) {
	for _, b := range engine.Backends()[1:] {
		names = append(names, string(b))
	}
	return names
}

// loops are numbers of them besides the usual one, which is that of processors.
func loops() (values []string) {
	usual := runtime.GOMAXPROCS(0)
	for n := 1; n <= 2*usual; n *= 2 {
		if n != usual {
			values = append(values, strconv.Itoa(n))
		}
	}
	return values
}

// settings are values of knobs by their flags; what is missing has its default.
type settings map[string]string

// with returns the settings with one more.
func (s settings) with(flag, value string) settings {
	all := maps.Clone(s)
	if all == nil {
		all = make(settings)
	}
	all[flag] = value
	return all
}

// of returns the configuration of a server with the settings.
func (s settings) of(cfg bench.ServerConfig) bench.ServerConfig {
	for _, k := range knobs() {
		if v, ok := s[k.flag]; ok {
			k.set(&cfg, v)
		}
	}
	return cfg
}

// String is the settings as flags of sscd serve.
func (s settings) String() string {
	var all []string
	for _, flag := range slices.Sorted(maps.Keys(s)) {
		all = append(all, "--"+flag+"="+s[flag])
	}
	return strings.Join(all, " ")
}

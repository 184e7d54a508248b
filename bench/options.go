package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// Mode is what is measured.
type Mode string

// The modes; the package documentation says what they do.
const (
	Echo     Mode = "echo"
	Upload   Mode = "upload"
	Download Mode = "download"
	Open     Mode = "open"
	Idle     Mode = "idle"
	RTT      Mode = "rtt"
	Flood    Mode = "flood"
	Stall    Mode = "stall"
	Urgent   Mode = "urgent"
	Fair     Mode = "fair"
	File     Mode = "file"
	Fanout   Mode = "fanout"
)

// Modes lists the modes of Run, and Comparisons those of Compare.
var (
	Modes       = []Mode{Echo, Upload, Download, Open, Idle}
	Comparisons = []Mode{RTT, Flood, Stall, Urgent, Fair, File, Fanout}
)

// Options are what to measure and how. Defaults gives the standard ones.
type Options struct {
	Addr     string        `json:"addr"`     // of the server
	Mode     Mode          `json:"mode"`     //
	Conns    int           `json:"conns"`    // connections
	Channels int           `json:"channels"` // on each connection
	Size     int           `json:"size"`     // of a message, in bytes
	Depth    int           `json:"depth"`    // messages under way on a channel; opens on a connection
	Duration time.Duration `json:"duration"` // of what is measured
	Warmup   time.Duration `json:"warmup"`   // before it
	Rate     int           `json:"rate"`     // echo: messages a second in all, sent when due; 0: when answers come

	// Rounds is how often comparisons measure each of what they compare, in turn: stall, urgent, file, fanout, flood.
	Rounds int `json:"rounds,omitempty"`

	RTTs   []time.Duration `json:"rtts,omitempty"`   // mode rtt
	Floods []string        `json:"floods,omitempty"` // mode flood: which; empty means all

	FileBytes int64 `json:"file_bytes,omitempty"` // mode file: how long the file is

	// Settle, in mode idle, is how long the server is left alone before its memory is read; 0 means 2 s.
	Settle time.Duration `json:"settle,omitempty"`

	// Client is how this side serves its connections.
	Client engine.Config `json:"-"`
}

// defaultRounds is how often comparisons measure each of what they compare.
const defaultRounds = 5

// Defaults are the options of a mode's standard run; of echo, short messages over one connection.
func Defaults(m Mode) Options {
	o := Options{
		Mode: m, Conns: 1, Channels: 100, Size: 64, Depth: 16, Duration: 10 * time.Second, Warmup: time.Second,
	}
	switch m {
	case RTT:
		o.Channels, o.Size, o.Duration = 1, 16<<10, 5*time.Second
		o.RTTs = []time.Duration{
			100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 60 * time.Millisecond,
			200 * time.Millisecond,
		}
	case Flood:
		o.Conns, o.Duration = 100, 5*time.Second
	case Stall, Fair:
		o.Duration = 2 * time.Second
	case Urgent:
		o.Channels, o.Duration = 16, 2*time.Second
	case File:
		o.Channels, o.Duration, o.FileBytes = 4, 2*time.Second, 256<<20
	case Fanout:
		o.Conns, o.Channels, o.Duration = 100, 1000, 2*time.Second
	}
	if slices.Contains(Comparisons, m) {
		o.Rounds = defaultRounds
	}
	if m == Flood { // each takes its time
		o.Rounds = 1
	}
	return o
}

// epollFrom is how many connections this side rather serves with epoll, unless told otherwise.
const epollFrom = 64

// ClientBackend is how this side serves so many connections, unless told otherwise.
func ClientBackend(conns int) engine.Backend {
	if conns > epollFrom {
		return engine.Epoll
	}
	return engine.Auto
}

// MinMaxChannels is how many channels a connection to a server of our own may have, unless more are measured.
const MinMaxChannels = 65536

// What is beyond these is a slip of the hand, and would take all memory, or all of a disk.
const (
	maxConns    = 1 << 20
	maxChannels = 1 << 24 // on a connection
	maxUnder    = 1 << 28 // messages of echo under way, in all: 8 bytes each
	maxRate     = 10_000_000
	maxFile     = 16 << 30 // bytes
)

// CheckFileBytes returns what is wrong with the length of a file that is made to be measured.
func CheckFileBytes(n int64) error {
	if n < 1 || n > maxFile {
		return fmt.Errorf("the file has %d bytes, not 1 to %d", n, int64(maxFile))
	}
	return nil
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	all := append(slices.Clone(Modes), Comparisons...)
	switch {
	case !slices.Contains(all, o.Mode):
		return fmt.Errorf("no mode %q; there are %v", o.Mode, all)
	case o.Conns < 1 || o.Conns > maxConns:
		return fmt.Errorf("conns is %d, not 1 to %d", o.Conns, maxConns)
	case o.Channels < 1 || o.Channels > maxChannels:
		return fmt.Errorf("channels is %d, not 1 to %d", o.Channels, maxChannels)
	case o.Size < 1 || o.Size > engine.MaxMessage:
		return fmt.Errorf("size is %d, not 1 to %d", o.Size, engine.MaxMessage)
	case o.Depth < 1 || o.Depth > 1<<20:
		return fmt.Errorf("depth is %d, not 1 to %d", o.Depth, 1<<20)
	case o.Duration <= 0:
		return fmt.Errorf("duration is %v, not more than 0", o.Duration)
	case o.Warmup < 0:
		return fmt.Errorf("warmup is %v, less than 0", o.Warmup)
	case o.Mode == Echo && o.Conns*o.Channels > maxUnder/o.Depth:
		return fmt.Errorf("%d messages under way in all, not at most %d", o.Conns*o.Channels*o.Depth, maxUnder)
	case o.Rate < 0 || o.Rate > maxRate:
		return fmt.Errorf("rate is %d, not 0 to %d", o.Rate, maxRate)
	case o.Rate > 0 && o.Mode != Echo && o.Mode != Flood:
		return fmt.Errorf("rate goes with modes %s and %s only", Echo, Flood)
	}
	if err := checkEngine(o.Client); err != nil {
		return err
	}
	return o.checkComparison()
}

// checkComparison is Check for what Comparisons alone need.
func (o *Options) checkComparison() error {
	for _, rtt := range o.RTTs {
		if rtt < 0 || rtt > maxRTT {
			return fmt.Errorf("an RTT is %v, not 0 to %v", rtt, maxRTT)
		}
	}
	switch {
	case slices.Contains(Comparisons, o.Mode) && o.Addr != "":
		return fmt.Errorf("mode %s starts the servers that it measures: there is no address to give", o.Mode)
	case slices.Contains(Comparisons, o.Mode) && o.Rounds < 1:
		return fmt.Errorf("rounds is %d, not 1 or more", o.Rounds)
	case o.Mode == RTT && len(o.RTTs) == 0:
		return errors.New("there are no RTTs")
	case o.Mode == Urgent && o.Conns != 1:
		return fmt.Errorf("mode %s needs one connection", Urgent)
	case o.Mode == Stall && (o.Conns != 1 || o.Channels < 2):
		return fmt.Errorf("mode %s needs one connection and two or more channels on it", Stall)
	case (o.Mode == Fair || o.Mode == File) && o.Conns != 1:
		return fmt.Errorf("mode %s needs one connection", o.Mode)
	case o.Mode == File:
		if err := CheckFileBytes(o.FileBytes); err != nil {
			return err
		}
	}
	return checkFloods(o.Floods)
}

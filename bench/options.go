package bench

import (
	"fmt"
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
)

// Modes lists all modes.
var Modes = []Mode{Echo, Upload, Download, Open, Idle}

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

	// Client is how this side serves its connections.
	Client engine.Config `json:"-"`
}

// Defaults are the options of a standard run: the echo of short messages over one connection.
func Defaults() Options {
	return Options{
		Mode: Echo, Conns: 1, Channels: 100, Size: 64, Depth: 16, Duration: 10 * time.Second, Warmup: time.Second,
	}
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	known := false
	for _, m := range Modes {
		known = known || m == o.Mode
	}
	switch {
	case !known:
		return fmt.Errorf("no mode %q; there are %v", o.Mode, Modes)
	case o.Conns < 1:
		return fmt.Errorf("conns is %d, not 1 or more", o.Conns)
	case o.Channels < 1:
		return fmt.Errorf("channels is %d, not 1 or more", o.Channels)
	case o.Size < 1 || o.Size > engine.MaxMessage:
		return fmt.Errorf("size is %d, not 1 to %d", o.Size, engine.MaxMessage)
	case o.Depth < 1 || o.Depth > 1<<20:
		return fmt.Errorf("depth is %d, not 1 to %d", o.Depth, 1<<20)
	case o.Duration <= 0:
		return fmt.Errorf("duration is %v, not more than 0", o.Duration)
	case o.Warmup < 0:
		return fmt.Errorf("warmup is %v, less than 0", o.Warmup)
	case o.Rate < 0:
		return fmt.Errorf("rate is %d, less than 0", o.Rate)
	case o.Rate > 0 && o.Mode != Echo:
		return fmt.Errorf("rate goes with mode %s only", Echo)
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/sscd-io/sscd/bench/doctor"
	"github.com/sscd-io/sscd/cmd/internal/flags"
)

// maxWanted bounds connections and channels, so that what they come to is a number still.
const maxWanted = 1 << 30

// doctorUsage is what it says about itself.
const doctorUsage = `sscd-bench doctor [flags]
tells which limits of this system are too low for so many connections, and what mends them
Exit status 1 says that there are any.`

// examine is sscd-bench doctor.
func examine(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags.New(doctorUsage)
	var w doctor.Want
	line := rate(1e9 / 8)
	f.IntVar(&w.Conns, "conns", 1000, "connections wanted of one process")
	f.IntVar(&w.Channels, "channels", 100, "channels on each")
	f.Var(&line, "bandwidth", "`rate` of the line")
	f.DurationVar(&w.RTT, "latency", 10*time.Millisecond, "round trip time of the line")
	f.IntVar(&w.Backlog, "backlog", 0, "of listen(2); 0 means the system's largest")
	f.IntVar(&w.ReadBuf, "rcvbuf", 0, "SO_RCVBUF in `bytes`; 0 means the system's default")
	f.IntVar(&w.WriteBuf, "sndbuf", 0, "SO_SNDBUF in `bytes`; 0 means the system's default")
	f.BoolVar(&w.UringOnly, "io-uring", false, "it must be possible to use io_uring")
	f.BoolVar(&w.Dials, "dials", true,
		"this system makes the connections too, as sscd-bench does; =false for a server alone")
	jsonFile := f.String("json", "", "`file` for the findings as well; - means standard output, and no table")
	rest, err := flags.Parse(f, args, stdout)
	if err != nil {
		return err
	}
	for _, v := range []struct {
		name    string
		n       int
		low, up int
	}{
		{"conns", w.Conns, 1, maxWanted}, {"channels", w.Channels, 1, maxWanted},
		{"backlog", w.Backlog, 0, math.MaxInt32}, {"rcvbuf", w.ReadBuf, 0, math.MaxInt32},
		{"sndbuf", w.WriteBuf, 0, math.MaxInt32},
	} {
		if v.n < v.low || v.n > v.up {
			return flags.Usage("%s is %d, not %d to %d", v.name, v.n, v.low, v.up)
		}
	}
	if w.RTT < 0 || w.RTT > time.Hour {
		return flags.Usage("latency is %v, not 0 to 1h", w.RTT)
	}
	if len(rest) > 0 {
		return flags.Usage("doctor takes no arguments, not %q", rest[0])
	}
	w.Rate = float64(line)
	found := doctor.Examine(doctor.ThisSystem(), w)
	if err := write(found, found, *jsonFile, stdout); err != nil {
		return err
	}
	if n := found.Failed(); n > 0 {
		return fmt.Errorf("%d of the limits are too low for %d connections x %d channels", n, w.Conns, w.Channels)
	}
	return nil
}

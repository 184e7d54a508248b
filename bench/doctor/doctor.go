// Package doctor looks for limits of a Linux system that will bite a server, or a client, of some size. It reads
// /proc and /sys and changes nothing; scripts/tune-linux.sh does.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"
)

// Level is how much a limit matters.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warn    Level = "warn"    // it costs speed, or may cost connections
	Fail    Level = "fail"    // what is wanted does not fit
	Unknown Level = "unknown" // this system does not say
)

// Finding is what was found of one limit.
type Finding struct {
	Level Level  `json:"level"`
	Name  string `json:"name"`
	Is    string `json:"is"`
	Want  string `json:"want,omitempty"`
	Why   string `json:"why,omitempty"`
	Mend  string `json:"mend,omitempty"` // a command
}

// Want is what the system is to carry.
type Want struct {
	Conns     int           // connections of one process
	Channels  int           // on each
	Rate      float64       // of the line, bytes a second
	RTT       time.Duration // of the line
	Backlog   int           // of listen(2); 0 means the system's largest
	ReadBuf   int           // SO_RCVBUF; 0 means the system's default
	WriteBuf  int           // SO_SNDBUF, likewise
	UringOnly bool          // the backend is to be io_uring
	Dials     bool          // this system makes the connections as well, all to one address
}

// System is where to look.
type System struct {
	Root  fs.FS // with proc and sys
	Procs int   // GOMAXPROCS
}

// ThisSystem is the one that this process runs on.
func ThisSystem() System { return System{os.DirFS("/"), runtime.GOMAXPROCS(0)} }

// Report is what Examine found.
type Report []Finding

// Examine looks at all limits. What can't be read is Unknown.
func Examine(s System, w Want) Report {
	e := examiner{s, w}
	var all Report
	for _, look := range []func() Finding{
		e.files, e.filesOfSystem, e.ports, e.conntrack, e.accept, e.syns,
		e.receive, e.send, e.readBuffer, e.writeBuffer, e.tcpMemory, e.idle,
		e.memory, e.threads, e.processors, e.uring, e.governor, e.hugePages, e.clock,
	} {
		all = append(all, look())
	}
	return all
}

// Failed returns how many limits do not suffice.
func (r Report) Failed() (n int) {
	for _, f := range r {
		if f.Level == Fail {
			n++
		}
	}
	return n
}

// WriteJSON implements bench.Report.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable implements bench.Report.
func (r Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	for _, f := range r {
		fmt.Fprintf(&b, "%-8s %-16s %s", f.Level, f.Name, f.Is)
		if f.Want != "" {
			fmt.Fprintf(&b, "; wanted: %s", f.Want)
		}
		b.WriteByte('\n')
		if f.Level == OK {
			continue
		}
		for _, line := range []string{f.Why, f.Mend} {
			if line != "" {
				fmt.Fprintf(&b, "%-25s %s\n", "", line)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

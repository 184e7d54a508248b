package main

import (
	"fmt"
	"io"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/sim"
)

// summary says what was covered.
func summary(w io.Writer, s *sim.Stats, took, cpu time.Duration) {
	fmt.Fprintf(w, "%d worlds, %d operations, %d frames, %d bytes sent, %d bytes verified in %.1f s\n",
		s.Worlds, s.Steps, s.Frames, s.Bytes, s.Verified, took.Seconds())
	if minutes := cpu.Minutes(); minutes > 0 {
		fmt.Fprintf(w, "per CPU minute: %.1f million operations, %.1f million frames, %.0f worlds\n",
			float64(s.Steps)/minutes/1e6, float64(s.Frames)/minutes/1e6, float64(s.Worlds)/minutes)
	}
	fmt.Fprintf(w, "%d ranges of files, %d with zeros instead\n", s.Files, s.Holes)
	fmt.Fprint(w, "\noperations:")
	for kind, n := range s.Ops {
		if kind%6 == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "  %8s %-10d", sim.Kind(kind), n)
	}
	fmt.Fprint(w, "\n\nends of connections, by code:\n")
	for code, n := range s.Ends {
		if n > 0 {
			fmt.Fprintf(w, "  %v %d", codec.Code(code), n)
		}
	}
	fmt.Fprint(w, "\n\nframes, by the state in which they found their channel:\n             ")
	for typ := codec.Open; typ <= codec.Priority; typ++ {
		fmt.Fprintf(w, " %12v", typ)
	}
	for st, row := range s.Seen {
		fmt.Fprintf(w, "\n  %-11s", core.State(st))
		for typ := codec.Open; typ <= codec.Priority; typ++ {
			fmt.Fprintf(w, " %12d", row[typ])
		}
	}
	fmt.Fprintln(w)
}

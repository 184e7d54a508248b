package bench

import (
	"fmt"
	"io"
	"time"
)

// Result is what a run measured.
type Result struct {
	Options Options `json:"options"`

	Seconds           float64 `json:"seconds"`
	Messages          int64   `json:"messages"` // or opens
	MessagesPerSecond float64 `json:"messages_per_second"`
	MBPerSecond       float64 `json:"mb_per_second"` // of payload; upload: of frames

	// CPU seconds per million messages and per GB; 0 if not known.
	ServerPerMillion float64 `json:"server_cpu_s_per_million,omitempty"`
	ClientPerMillion float64 `json:"client_cpu_s_per_million"`
	ServerPerGB      float64 `json:"server_cpu_s_per_gb,omitempty"`
	ClientPerGB      float64 `json:"client_cpu_s_per_gb"`

	// Frames that the server, if it is ours, took with one system call and gave with one.
	FramesPerRead  float64 `json:"server_frames_per_read,omitempty"`
	FramesPerWrite float64 `json:"server_frames_per_write,omitempty"`

	// LongestTurn of the server's loops so far.
	LongestTurn time.Duration `json:"server_longest_turn_ns,omitempty"`

	Served  *Served   `json:"served,omitempty"`
	Latency *Latency  `json:"latency,omitempty"`
	Idle    *IdleCost `json:"idle,omitempty"`
}

// Served is what else the messages, or opens, cost the server.
type Served struct {
	Allocs   float64 `json:"allocs_per_message"`
	Calls    float64 `json:"calls_per_message"` // system calls that read or wrote; 0 if not counted
	Switches float64 `json:"switches_per_message"`
	RSS      int64   `json:"rss_bytes"`  // at the end
	Peak     int64   `json:"peak_bytes"` // since its start
}

// ServedBetween is what the messages between two usages of a server cost it.
func ServedBetween(a, b *Usage, messages int64) *Served {
	n := float64(max(messages, 1))
	return &Served{
		Allocs: float64(b.Mallocs-a.Mallocs) / n, Calls: float64(b.Calls-a.Calls) / n,
		Switches: float64(b.Switches-a.Switches) / n,
		RSS:      b.RSS, Peak: b.Peak,
	}
}

// IdleCost is the resident memory of a server before and after channels were opened, in bytes.
type IdleCost struct {
	Conns    int   `json:"conns"`
	Channels int   `json:"channels"`
	Before   int64 `json:"rss_before"`
	After    int64 `json:"rss_after"`

	// Opening is how long it took to connect and to open them, one connection's at a time with the others'.
	Opening time.Duration `json:"opening_ns"`
}

// between fills in what happened between two marks.
func (r *Result) between(a, b mark) {
	r.Seconds = b.at.Sub(a.at).Seconds()
	r.Messages = b.messages - a.messages
	bytes := float64(b.bytes - a.bytes)
	r.MessagesPerSecond = float64(r.Messages) / r.Seconds
	r.MBPerSecond = bytes / 1e6 / r.Seconds
	per := func(cpu time.Duration) (million, gb float64) {
		if r.Messages > 0 {
			million = cpu.Seconds() / float64(r.Messages) * 1e6
		}
		if bytes > 0 {
			gb = cpu.Seconds() / bytes * 1e9
		}
		return million, gb
	}
	r.ClientPerMillion, r.ClientPerGB = per(b.client.CPU - a.client.CPU)
	if a.server == nil {
		return
	}
	r.ServerPerMillion, r.ServerPerGB = per(b.server.CPU - a.server.CPU)
	r.Served = ServedBetween(a.server, b.server, r.Messages)
	sa, sb := &a.server.Stats, &b.server.Stats
	if n := sb.Reads - sa.Reads; n > 0 {
		r.FramesPerRead = float64(sb.FramesIn-sa.FramesIn) / float64(n)
	}
	if n := sb.Writes - sa.Writes; n > 0 {
		r.FramesPerWrite = float64(sb.FramesOut-sa.FramesOut) / float64(n)
	}
	r.LongestTurn = sb.LongestTurn
}

// WriteJSON writes the result as JSON.
func (r *Result) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteTable writes the result for people, in one piece: standard output may be shared.
func (r *Result) WriteTable(w io.Writer) error { return writeTable(w, r.rows) }

// rows writes the rows of the table.
func (r *Result) rows(t io.Writer) {
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	o := &r.Options
	switch o.Mode {
	case Idle:
		row("mode", "idle: %d connections x %d channels", o.Conns, o.Channels)
		grown := float64(r.Idle.After - r.Idle.Before)
		row("server memory", "%.1f MB before, %.1f MB after", float64(r.Idle.Before)/1e6, float64(r.Idle.After)/1e6)
		row("per channel", "%.0f bytes", grown/float64(r.Idle.Channels))
		row("per connection", "%.0f bytes", grown/float64(r.Idle.Conns))
		row("opened", "in %v, %.0f channels a second", round(r.Idle.Opening),
			float64(r.Idle.Channels)/r.Idle.Opening.Seconds())
		return
	case Open:
		row("mode", "open: %d connections, %d opens under way on each", o.Conns, o.Depth)
		row("opens/s", "%.0f", r.MessagesPerSecond)
	case Echo:
		row("mode", "echo: %d connections x %d channels, %d bytes, %s", o.Conns, o.Channels, o.Size, o.load())
		row("messages/s", "%.0f", r.MessagesPerSecond)
		row("MB/s", "%.1f each way", r.MBPerSecond)
	default:
		row("mode", "%s: %d connections x %d channels", o.Mode, o.Conns, o.Channels)
		row("MB/s", "%.0f", r.MBPerSecond)
		row("server CPU", "%s s per GB", known(r.ServerPerGB))
		row("client CPU", "%.3f s per GB", r.ClientPerGB)
	}
	if o.Mode == Open || o.Mode == Echo {
		row("server CPU", "%s s per million", known(r.ServerPerMillion))
		row("client CPU", "%.3f s per million", r.ClientPerMillion)
	}
	if l := r.Latency; l != nil {
		row("latency", "p50 %v  p90 %v  p99 %v  p99.9 %v  max %v",
			round(l.P50), round(l.P90), round(l.P99), round(l.P999), round(l.Max))
	}
	if r.FramesPerRead > 0 {
		row("server", "%.1f frames per read, %.1f per write, longest turn %v",
			r.FramesPerRead, r.FramesPerWrite, round(r.LongestTurn))
	}
	if s := r.Served; s != nil {
		row("server", "%.2f allocations and %.2f context switches per message, %.1f MB resident at most",
			s.Allocs, s.Switches, float64(s.Peak)/1e6)
	}
}

// load is how messages are sent.
func (o *Options) load() string {
	if o.Rate > 0 {
		return fmt.Sprintf("%d a second", o.Rate)
	}
	return fmt.Sprintf("%d under way on each", o.Depth)
}

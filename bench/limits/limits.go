// Package limits is what a line lets one connection with many channels do at most, in theory: formulas, with their
// names, and what they come to.
package limits

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"
)

// What goes over the line beside payload, in bytes.
const (
	headerSize = 16           // of a frame
	packetSize = 20 + 20 + 12 // IPv4, TCP and its time stamps
)

const (
	// firstPackets is what TCP sends in its first round trip (RFC 6928).
	firstPackets = 10

	// idleChannel and idleConn are bytes of memory, measured: BENCHMARKS.md.
	idleChannel = 129
	idleConn    = 1533
)

// Line is a line and what it is to carry.
type Line struct {
	Rate     float64       `json:"bytes_per_second"` // of the line, packets' headers included
	RTT      time.Duration `json:"rtt_ns"`
	Loss     float64       `json:"loss"` // part of the packets, each by itself
	MTU      int           `json:"mtu"`
	Frame    int           `json:"frame_bytes"` // payload
	Channels int           `json:"channels"`
	Window   int           `json:"window_bytes"` // of a channel
	Memory   int64         `json:"memory_bytes"` // for all windows
}

// Check returns what is wrong with a line.
func (l *Line) Check() error {
	switch {
	case !(l.Rate > 0):
		return errors.New("the line has no bandwidth")
	case l.RTT <= 0 || l.RTT > time.Hour:
		return fmt.Errorf("latency is %v, not more than 0 and at most 1h", l.RTT)
	case !(l.Loss >= 0 && l.Loss < 1):
		return fmt.Errorf("loss is %v, not 0 to 1", l.Loss)
	case l.MTU < 576 || l.MTU > 65535:
		return fmt.Errorf("mtu is %d, not 576 to 65,535", l.MTU)
	case l.Frame < 1 || l.Frame > 1<<20:
		return fmt.Errorf("frame is %d, not 1 to 1,048,576", l.Frame)
	case l.Channels < 1 || l.Channels > 1<<30:
		return fmt.Errorf("channels is %d, not 1 to %d", l.Channels, 1<<30)
	case l.Window < 1 || l.Window > 1<<30:
		return fmt.Errorf("window is %d, not 1 to %d", l.Window, 1<<30)
	case l.Memory < 1:
		return fmt.Errorf("memory is %d, not 1 or more", l.Memory)
	}
	return nil
}

// Limits is what a line comes to.
type Limits struct {
	Line          Line          `json:"line"`
	Product       float64       `json:"bandwidth_delay_product_bytes"`
	Packets       float64       `json:"packets_in_flight"` // that fill the line
	Frames        float64       `json:"frames_in_flight"`
	FrameTime     time.Duration `json:"frame_time_ns"`
	FrameShare    float64       `json:"payload_of_frames"` // part
	PacketShare   float64       `json:"frames_of_packets"`
	Goodput       float64       `json:"goodput_bytes_per_second"` // payload that a line without loss carries
	Share         float64       `json:"share_bytes_per_second"`   // of it, of each channel
	ShareWindow   float64       `json:"window_for_share_bytes"`   // that a channel needs for it
	WindowCeiling float64       `json:"window_ceiling_bytes_per_second"`
	MaxChannels   float64       `json:"channels_by_window_memory"`
	Idle          float64       `json:"idle_bytes"`
	Filled        int           `json:"round_trips_to_fill"`
	Loss          *LossLimits   `json:"loss,omitempty"` // nil without
}

// LossLimits is what loss comes to.
type LossLimits struct {
	Reno     float64 `json:"reno_bytes_per_second"`  // Mathis et al. 1997
	Cubic    float64 `json:"cubic_bytes_per_second"` // RFC 9438
	Ceiling  float64 `json:"ceiling_bytes_per_second"`
	InFlight float64 `json:"packets_in_flight"` // at the ceiling
	Stall    float64 `json:"stall"`             // a round trip in which some packet is lost: all channels wait
	Own      float64 `json:"own"`               // one in which a packet of a given channel is
	Others   float64 `json:"others"`            // one in which others' are, and none of its own
	Apart    float64 `json:"apart_bytes_per_second"`
}

// mss is what a packet carries of frames, in bytes.
func (l *Line) mss() float64 { return float64(l.MTU - packetSize) }

// Of returns the limits of a line. Formulas stand in the table's last column.
func Of(l Line) *Limits {
	rtt, mss := l.RTT.Seconds(), l.mss()
	r := &Limits{
		Line:        l,
		Product:     l.Rate * rtt,
		FrameShare:  float64(l.Frame) / float64(l.Frame+headerSize),
		PacketShare: mss / float64(l.MTU),
	}
	r.Packets = r.Product / float64(l.MTU)
	r.Frames = r.Product * r.PacketShare / float64(l.Frame+headerSize)
	r.Goodput = l.Rate * r.PacketShare * r.FrameShare
	r.FrameTime = time.Duration(float64(l.Frame) / r.Goodput * float64(time.Second))
	r.Share = r.Goodput / float64(l.Channels)
	r.ShareWindow = r.Share * rtt
	r.WindowCeiling = min(float64(l.Window)/rtt, r.Goodput)
	r.MaxChannels = float64(l.Memory) / float64(l.Window)
	r.Idle = idleConn + float64(l.Channels)*idleChannel
	if r.Packets > firstPackets {
		r.Filled = int(math.Ceil(math.Log2(r.Packets / firstPackets)))
	}
	if l.Loss > 0 {
		r.Loss = r.underLoss()
	}
	return r
}

// underLoss is what loss comes to.
func (r *Limits) underLoss() *LossLimits {
	l := &r.Line
	rtt, p := l.RTT.Seconds(), l.Loss
	reno := math.Sqrt(3 / (2 * p)) // packets in flight, on average
	cubic := max(reno, 1.054*math.Pow(rtt/p, 0.75))
	perPacket := l.mss() * r.FrameShare / rtt
	x := &LossLimits{Reno: reno * perPacket, Cubic: cubic * perPacket}
	x.Ceiling = min(x.Cubic, r.Goodput)
	x.InFlight = max(x.Ceiling/perPacket, 1)
	x.Stall = lost(p, x.InFlight)
	x.Own = lost(p, x.InFlight/float64(l.Channels))
	x.Others = lost(p, x.InFlight-x.InFlight/float64(l.Channels)) * (1 - x.Own)
	x.Apart = min(float64(l.Channels)*x.Cubic, r.Goodput)
	return x
}

// lost is the probability that one of n packets is.
func lost(p, n float64) float64 { return -math.Expm1(n * math.Log1p(-p)) }

// WriteJSON implements bench.Report.
func (r *Limits) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable implements bench.Report.
func (r *Limits) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.rows(t)
	return t.Flush()
}

// rows writes the rows of the table.
func (r *Limits) rows(t io.Writer) {
	l := &r.Line
	row := func(name, value, formula string) { fmt.Fprintf(t, "%s\t%s\t%s\n", name, value, formula) }
	fmt.Fprintf(t, "limits: %s, round trip %v, packets of %d B, frames of %d B, %d channels\n",
		speed(l.Rate), l.RTT, l.MTU, l.Frame, l.Channels)
	row("bandwidth-delay product", size(r.Product), "B x RTT: what is under way on a full line; the window needed")
	row("packets in flight", plain(r.Packets), "B x RTT / MTU")
	row("frames in flight", plain(r.Frames), "B x RTT x MSS/MTU / (F + 16)")
	row("time of a frame", r.FrameTime.Round(10*time.Nanosecond).String(),
		"F / goodput: an urgent one waits for one that has begun")
	row("payload of frames", part(r.FrameShare), "F / (F + 16): 99 % at 1,584 B, 99.9 % at 15,984 B")
	row("frames of packets", part(r.PacketShare), "MSS / MTU; MSS = MTU - 52: IPv4 20, TCP 20, time stamps 12")
	row("goodput", speed(r.Goodput), "G = B x both parts: payload, without loss")
	row("fair share of a channel", speed(r.Share), "G / channels")
	row("its window, at least", size(r.ShareWindow), "share x RTT")
	row("one channel's ceiling", speed(r.WindowCeiling),
		fmt.Sprintf("W / RTT, at most G; W = %s", size(float64(l.Window))))
	row("channels by window memory", plain(math.Floor(r.MaxChannels)),
		fmt.Sprintf("M / W, all windows full; M = %s", size(float64(l.Memory))))
	row("memory, all idle", size(r.Idle), "1,533 B + channels x 129 B, measured")
	row("round trips until full", fmt.Sprint(r.Filled), "log2(packets in flight / 10): slow start")
	if x := r.Loss; x != nil {
		fmt.Fprintln(t)
		fmt.Fprintf(t, "with a loss of %s of packets\n", part(l.Loss))
		row("ceiling, Reno", speed(x.Reno), "MSS/RTT x sqrt(3 / 2p), Mathis et al.; BBR is not bound by either")
		row("ceiling, CUBIC", speed(x.Cubic), "MSS/RTT x 1.054 (RTT/p)^0.75, at least Reno's (RFC 9438)")
		row("throughput", speed(x.Ceiling), "the lower of CUBIC's and G")
		row("packets in flight, n", plain(x.InFlight), "throughput x RTT / MSS")
		row("all channels stall", part(x.Stall)+" of round trips",
			"1 - (1-p)^n: some packet is lost, and TCP hands on in order")
		row("of a channel's own loss", part(x.Own)+" of round trips", "1 - (1-p)^(n/channels)")
		row("of others' alone", part(x.Others)+" of round trips",
			"head of line: what connections of their own would not have")
		row("as many connections", speed(x.Apart), "channels x CUBIC's, at most G")
	}
}

// plain writes a number of things.
func plain(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// part writes a part of one as a percentage.
func part(v float64) string { return fmt.Sprintf("%.4g %%", 100*v) }

// size writes a number of bytes.
func size(v float64) string {
	return scaled(v, "B", "kB", "MB", "GB")
}

// speed writes bytes a second, in both usual ways.
func speed(v float64) string {
	return scaled(v, "B", "kB", "MB", "GB") + "/s (" + scaled(8*v, "bit", "kbit", "Mbit", "Gbit") + "/s)"
}

func scaled(v float64, units ...string) string {
	i := 0
	for ; v >= 999.5 && i < len(units)-1; i++ {
		v /= 1000
	}
	return fmt.Sprintf("%.3g %s", v, units[i])
}

package bench

import (
	"maps"
	"slices"
	"time"
)

// Kind is what figures of a name mean. Names end in their unit.
type Kind struct {
	Name   string
	Title  string
	Unit   string
	Better Better
}

// Better says which figures of a kind are the better ones.
type Better int

// The values of Better. Neutral ones explain others, and decide nothing.
const (
	Neutral Better = iota
	Lower
	Higher
)

// Names of figures that several measurements have. CPU is user and system, of the whole process.
const (
	MessagesPerSecond = "messages_per_second"
	OpensPerSecond    = "opens_per_second" // opened and closed
	MBPerSecond       = "mb_per_second"    // of payload
	ChannelsOpened    = "channels_opened_per_second"

	P50  = "p50_ms"
	P90  = "p90_ms"
	P99  = "p99_ms"
	P999 = "p99.9_ms"
	Max  = "max_ms"

	ServerPerMillion = "server_cpu_s_per_million" // messages or opens
	ClientPerMillion = "client_cpu_s_per_million"
	ServerPerGB      = "server_cpu_s_per_gb"
	ClientPerGB      = "client_cpu_s_per_gb"
	BothPerGB        = "both_cpu_s_per_gb"

	BytesPerChannel = "bytes_per_channel" // growth of the server's resident memory
	BytesPerConn    = "bytes_per_conn"
	ServerRSS       = "server_rss_mb"
	AllocsPerMsg    = "server_allocs_per_message"
	SwitchesPerMsg  = "server_switches_per_message" // context switches

	FramesPerRead  = "server_frames_per_read"
	FramesPerWrite = "server_frames_per_write"
	LongestTurn    = "server_longest_turn_ms"

	LowestShare  = "lowest_share_percent"
	HighestShare = "highest_share_percent"
	Evenness     = "lowest_by_highest"

	ReadMBPerSecond   = "read_mb_per_second" // of the neighbours of a channel that is read
	UnreadMBPerSecond = "unread_mb_per_second"
	UnreadByRead      = "unread_by_read"

	GCPerCollection = "gc_cpu_s_per_collection"
	GCCPUPercent    = "gc_cpu_percent"      // of the server's CPU, meanwhile
	GCPause         = "gc_longest_pause_ms" // since its start
	HeapBefore      = "heap_before_mb"      // after a collection, as heap_after
	HeapOpen        = "heap_open_mb"        // garbage included
	HeapAfter       = "heap_after_mb"

	ReadsAhead   = "reads_ahead"
	RTTMeasured  = "rtt_ms"
	P99Alone     = "p99_alone_ms"
	P99Elsewhere = "p99_elsewhere_ms"
	PeakRSS      = "server_peak_rss_mb"
	FloodFrames  = "frames_taken_per_second"
)

// Kinds are the kinds there are, in the order of tables. A measurement may have others, which are Neutral.
var Kinds = []Kind{
	{MessagesPerSecond, "messages/s", "1/s", Higher},
	{OpensPerSecond, "opens/s", "1/s", Higher},
	{ChannelsOpened, "channels opened/s", "1/s", Higher},
	{FloodFrames, "frames taken/s", "1/s", Neutral},
	{MBPerSecond, "MB/s", "MB/s", Higher},
	{ReadMBPerSecond, "it is read", "MB/s", Higher},
	{UnreadMBPerSecond, "it is not", "MB/s", Higher},
	{UnreadByRead, "ratio of neighbours", "", Higher},
	{RTTMeasured, "RTT", "ms", Neutral},
	{P50, "p50", "ms", Lower},
	{P90, "p90", "ms", Lower},
	{P99, "p99", "ms", Lower},
	{P999, "p99.9", "ms", Lower},
	{Max, "max", "ms", Neutral},
	{P99Alone, "p99 alone", "ms", Neutral},
	{P99Elsewhere, "p99, flood elsewhere", "ms", Neutral},
	{ServerPerMillion, "server CPU", "s per million", Lower},
	{ClientPerMillion, "client CPU", "s per million", Neutral},
	{ServerPerGB, "server CPU", "s per GB", Lower},
	{ClientPerGB, "client CPU", "s per GB", Neutral},
	{BothPerGB, "both sides' CPU", "s per GB", Lower},
	{BytesPerChannel, "per channel", "bytes", Lower},
	{BytesPerConn, "per connection", "bytes", Lower},
	{ServerRSS, "server memory", "MB", Neutral},
	{PeakRSS, "server memory, most", "MB", Lower},
	{AllocsPerMsg, "server allocations", "per message", Lower},
	{SwitchesPerMsg, "server context switches", "per message", Neutral},
	{GCPerCollection, "a collection's CPU", "s", Lower},
	{GCCPUPercent, "collections' CPU", "%", Lower},
	{GCPause, "longest pause", "ms", Lower},
	{HeapBefore, "heap before", "MB", Neutral},
	{HeapOpen, "heap meanwhile", "MB", Neutral},
	{HeapAfter, "heap after", "MB", Lower},
	{LowestShare, "lowest share", "%", Neutral},
	{HighestShare, "highest share", "%", Neutral},
	{Evenness, "lowest by highest", "", Neutral},
	{FramesPerRead, "frames per read", "", Neutral},
	{FramesPerWrite, "frames per write", "", Neutral},
	{LongestTurn, "longest turn", "ms", Neutral},
	{ReadsAhead, "reads ahead", "", Neutral},
}

// KindOf returns the kind of that name.
func KindOf(name string) Kind {
	if i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name }); i >= 0 {
		return Kinds[i]
	}
	return Kind{Name: name, Title: name}
}

// Label is the kind's title with its unit.
func (k Kind) Label() string {
	if k.Unit == "" || k.Unit == k.Title || k.Unit == "1/s" {
		return k.Title
	}
	return k.Title + ", " + k.Unit
}

// figureNames returns all names in the figures: those of Kinds first, in their order.
func figureNames(rounds []Figures) (names []string) {
	there := make(map[string]bool)
	for _, f := range rounds {
		for name := range f {
			there[name] = true
		}
	}
	for _, k := range Kinds {
		if there[k.Name] {
			names = append(names, k.Name)
			delete(there, k.Name)
		}
	}
	return append(names, slices.Sorted(maps.Keys(there))...)
}

// Figures are the result's, as far as they are known.
func (r *Result) Figures() Figures {
	f := Figures{
		MBPerSecond: r.MBPerSecond, ServerPerMillion: r.ServerPerMillion, ClientPerMillion: r.ClientPerMillion,
		ServerPerGB: r.ServerPerGB, ClientPerGB: r.ClientPerGB,
		FramesPerRead: r.FramesPerRead, FramesPerWrite: r.FramesPerWrite, LongestTurn: ms(r.LongestTurn),
	}
	switch r.Options.Mode {
	case Open:
		f[OpensPerSecond] = r.MessagesPerSecond
		delete(f, MBPerSecond)
	case Upload, Download, File:
		delete(f, ServerPerMillion) // of blocks, which nobody counts
		delete(f, ClientPerMillion)
	case Echo:
		f[MessagesPerSecond] = r.MessagesPerSecond
		delete(f, MBPerSecond)
		delete(f, ServerPerGB) // of short messages, whose number is what costs
		delete(f, ClientPerGB)
	default:
		f[MessagesPerSecond] = r.MessagesPerSecond
	}
	if l := r.Latency; l != nil {
		for name, d := range map[string]time.Duration{P50: l.P50, P90: l.P90, P99: l.P99, P999: l.P999, Max: l.Max} {
			f[name] = ms(d)
		}
	}
	if i := r.Idle; i != nil && i.Channels > 0 && i.Conns > 0 {
		f[ChannelsOpened] = float64(i.Channels) / i.Opening.Seconds()
		if grown := float64(i.After - i.Before); i.Conns == i.Channels {
			f[BytesPerConn] = grown / float64(i.Conns) // with its channel
		} else {
			f[BytesPerChannel] = grown / float64(i.Channels)
		}
		f[ServerRSS] = float64(i.After) / 1e6
	}
	f.known()
	if s := r.Served; s != nil {
		f[ServerRSS], f[PeakRSS] = float64(s.RSS)/1e6, float64(s.Peak)/1e6
		if _, counted := f[ServerPerMillion]; counted {
			f[AllocsPerMsg], f[SwitchesPerMsg] = s.Allocs, s.Switches // none is a figure too
		}
	}
	return f
}

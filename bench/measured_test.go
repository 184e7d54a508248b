package bench

import (
	"testing"
	"time"
)

// What comparisons found is also rows of figures, a figure that nobody knows left out.
func TestMeasured(t *testing.T) {
	fast := &Latency{P50: time.Millisecond, P99: 2 * time.Millisecond}
	for _, c := range []struct {
		of     Report
		key    string // of the last row
		rows   int
		figure string
		want   float64
	}{
		{&Result{Options: Defaults(Open), MessagesPerSecond: 7}, "open/sscd/net/1x0x16/0", 1, OpensPerSecond, 7},
		{&Result{Options: Defaults(Echo), Latency: fast}, "echo/sscd/net/1x100x16/64", 1, P99, 2},
		{&Result{Options: Defaults(Idle), Idle: &IdleCost{Conns: 1, Channels: 100, Before: 1000, After: 14_000}},
			"idle/sscd/net/1x100x0/0", 1, BytesPerChannel, 130},
		{&Result{Options: Defaults(Idle), Idle: &IdleCost{Conns: 10, Channels: 10, Before: 1000, After: 16_000}},
			"idle/sscd/net/1x100x0/0", 1, BytesPerConn, 1500},
		{&UrgentResult{Options: Defaults(Urgent), Rows: []UrgentRow{{Load: Alone}, {Load: BesideBulk, Rounds: []*Result{
			{Options: Defaults(Urgent), MBPerSecond: 3, ServerPerMillion: 9}}}}},
			"urgent/sscd/net, beside bulk/1x16x0/64", 2, MBPerSecond, 3},
		{&StallResult{Options: Defaults(Stall), Rows: []StallRow{{Backend: "epoll", Pairs: [][2]float64{{2, 3}}}}},
			"stall/sscd/epoll/1x100x0/0", 1, UnreadByRead, 1.5},
		{&FairResult{Options: Defaults(Fair), Rows: []FairRow{{Channels: 8, Priority: "0 to 7", Low: 0.1, High: 0.4}}},
			"fair/sscd/net, priorities 0 to 7/1x8x0/0", 1, Evenness, 0.25},
		{&FileResult{Options: Defaults(File), Rows: []FileRow{{Way: ByRead, Rounds: []FileRound{{PerGB: 1, Both: 3}}}}},
			"file/sscd/net, read and write/1x4x0/0", 1, ClientPerGB, 2},
		{&FanoutResult{Options: Defaults(Fanout), Rows: []FanoutRow{{Way: "Broadcast", Rounds: []FanoutRound{{CPU: 500}}}}},
			"fanout/sscd/net, Broadcast/100x1000x0/64", 1, ServerPerMillion, 0.5},
		{&RTTResult{Options: Defaults(RTT), Rows: []RTTRow{{Wanted: time.Millisecond, Up: Throughputs{Tuned: 5}}}},
			"rtt/sscd/net, 1ms up, tuned/1x1x0/16384", 4, MBPerSecond, 5},
		{&FloodResult{Options: Defaults(Flood), Rows: []FloodRow{{Name: "ping", Flood: Victim{Latency: fast}}}},
			"flood/sscd/net, ping/100x100x0/64", 1, P99, 2},
	} {
		rows := c.of.Measured("net")
		last := &rows[len(rows)-1]
		if s, ok := last.Spread(c.figure); last.Key() != c.key || len(rows) != c.rows || !ok || s.Median != c.want {
			t.Errorf("%d rows, the last of which is %s with %v; want %s with %s %v", len(rows), last.Key(), last.Rounds,
				c.key, c.figure, c.want)
		}
		for _, f := range last.Rounds {
			for name, v := range f {
				if v == 0 {
					t.Errorf("%s: %s is 0", last.Key(), name)
				}
			}
		}
	}
}

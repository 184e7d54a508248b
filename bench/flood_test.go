package bench

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// Every flood gets frames in, the server lives, and its other connection gets its echo.
func TestFloods(t *testing.T) {
	o := Defaults(Flood)
	o.Conns, o.Channels = 3, 4
	r, err := compare(t, o, ServerConfig{Backend: engine.Epoll, MaxChannels: o.Channels})
	if err != nil {
		t.Fatal(err)
	}
	rows := r.(*FloodResult).Rows
	if len(rows) != len(floods())-1 {
		t.Fatalf("%d rows", len(rows))
	}
	var silent []string // floods of which a part saw no echo: on a busy machine it may be too short for one
	for _, row := range rows {
		if row.Attack.Frames <= 0 || row.Attack.Conns <= 0 || !row.Alive || row.Panics != 0 {
			t.Errorf("%+v", row)
		}
		for _, v := range []Victim{row.Idle, row.Elsewhere, row.Flood} {
			if v.Latency == nil && !slices.Contains(silent, row.Name) {
				silent = append(silent, row.Name)
			}
			if v.Lost != "" || v.CPU <= 0 {
				t.Errorf("%s: %+v", row.Name, v)
			}
		}
		if row.Before <= 0 || row.Peak <= 0 || row.After <= 0 || row.Stated <= row.Before {
			t.Errorf("%s: memory %d, %d, %d, %d", row.Name, row.Before, row.Peak, row.After, row.Stated)
		}
	}
	for _, name := range silent {
		o.Floods = []string{name}
		if !hasEchoes(t, o) {
			t.Errorf("%s: no echo came, again and again", name)
		}
	}
	wantTable(t, r, "rapid-reset", "slow-source", "flood/elsewhere", "alive")
}

// Of several rounds a row has what the well-behaved connection saw in the middle one, and what was worst otherwise.
func TestFloodRounds(t *testing.T) {
	round := func(idle, flood time.Duration, peak int64, ended int64) FloodRow {
		return FloodRow{
			Attack: AttackCount{Frames: 10, Conns: 3, Open: 2, Ends: map[string]int64{"CALM": ended}},
			Idle:   Victim{Latency: &Latency{P99: idle}}, Elsewhere: Victim{Latency: &Latency{P99: 1}},
			Flood: Victim{Latency: &Latency{P99: flood}}, Peak: peak, Stated: 100, Alive: true,
		}
	}
	all := []FloodRow{round(5, 30, 20, 1), round(4, 10, 200, 2), round(9, 20, 30, 3)}
	row := combine(all)
	if row.Idle.Latency.P99 != 5 || row.Flood.Latency.P99 != 20 || row.Peak != 200 || !row.Alive {
		t.Errorf("%+v", row)
	}
	if a := row.Attack; a.Frames != 30 || a.Conns != 9 || a.Open != 2 || a.Ends["CALM"] != 6 {
		t.Errorf("%+v", a)
	}
	all[1].Flood, all[2].Alive = Victim{Lost: "gone"}, false
	if row := combine(all); row.Flood.Lost != "gone" || row.Alive {
		t.Errorf("%+v", row)
	}
}

// hasEchoes returns whether in some round of a flood echoes came in all parts.
func hasEchoes(t *testing.T, o Options) bool {
	t.Helper()
	for range 5 {
		r, err := compare(t, o, ServerConfig{Backend: engine.Epoll, MaxChannels: o.Channels})
		if err != nil {
			t.Fatal(err)
		}
		row := r.(*FloodResult).Rows[0]
		if row.Idle.Latency != nil && row.Elsewhere.Latency != nil && row.Flood.Latency != nil {
			return true
		}
	}
	return false
}

// What a server ends at once is seen with its code, and the attackers come again.
func TestAttackersLearnWhyTheyAreThrownOut(t *testing.T) {
	o := Defaults(Flood)
	o.Conns, o.Rate, o.Floods = 2, 2000, []string{"grant-0"}
	var r Report
	var a AttackCount
	for range 10 { // attackers that get no processor learn nothing
		var err error
		if r, err = compare(t, o, ServerConfig{Backend: engine.Net}); err != nil {
			t.Fatal(err)
		}
		if a = r.(*FloodResult).Rows[0].Attack; len(a.Ends) > 0 {
			break
		}
	}
	if codes := slices.Collect(maps.Keys(a.Ends)); !slices.Equal(codes, []string{"PROTOCOL"}) {
		t.Errorf("ended by %v", a.Ends)
	}
	if a.Conns < a.Ends["PROTOCOL"] || a.Open > o.Conns {
		t.Errorf("%+v", a)
	}
	wantTable(t, r, "PROTOCOL", "2000 frames a second")
}

// The scripts make whole frames, but for the one that is not to, within windows, and always something.
func TestScripts(t *testing.T) {
	for _, f := range floods() {
		s := newScript(3)
		if f.setup != nil {
			f.setup(s)
		}
		for range 10 {
			if f.round != nil {
				f.round(s)
			}
		}
		var split codec.Splitter
		var frame codec.Frame
		split.Feed(s.b)
		var got []string
		for {
			ok, err := split.Next(&frame, heap{})
			if err != nil {
				t.Errorf("%s: %v", f.name, err)
			}
			if !ok {
				break
			}
			got = append(got, frame.Type.String())
		}
		if begun, _ := split.Partial(); begun != (f.name == "half-frame") {
			t.Errorf("%s: a frame is cut: %v", f.name, begun)
		}
		if begun := min(1, strings.Count(f.name, "half")); int64(len(got)+begun) != s.made || s.made == 0 {
			t.Errorf("%s: %d frames, %d counted", f.name, len(got), s.made)
		}
	}
}

// A connection sends no more than windows hold, and opens no more than it may.
func TestScriptsOfDataEnd(t *testing.T) {
	s := newScript(2)
	for range 5 {
		s.fillEcho(codec.MaxData)
	}
	if s.opened != 2 || s.made != 4 || s.credit.Load() != 0 {
		t.Errorf("%d channels, %d frames, window %d", s.opened, s.made, s.credit.Load())
	}
	before := len(s.b)
	s.data(1)
	s.credit.Add(1)
	s.data(1)
	if want := before + codec.HeaderSize + 1; len(s.b) != want {
		t.Errorf("%d bytes, want %d", len(s.b), want)
	}
}

func TestEndsAreListed(t *testing.T) {
	a := AttackCount{Ends: map[string]int64{"CALM": 2, "lost": 7, "closed": 2}}
	if got := a.ends(); got != "lost 7, CALM 2, closed 2" {
		t.Error(got)
	}
}

// A flood whose server or connection is lost is reported as that.
func TestLossesAreReported(t *testing.T) {
	r := &FloodResult{Options: Defaults(Flood), Rows: []FloodRow{
		{Name: "x", Flood: Victim{Lost: "a connection ended: cleanly"}, Peak: 5, Stated: 4, Panics: 1},
	}}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lost: a connection ended", "dead, 1 panics, beyond the bound"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// The table counts in how many floods the p99 at most doubled; one that was lost did not.
func TestDoublingsAreCounted(t *testing.T) {
	saw := func(p99 time.Duration) Victim { return Victim{Latency: &Latency{P99: p99}} }
	r := &FloodResult{Options: Defaults(Flood), Rows: []FloodRow{
		{Flood: saw(20), Idle: saw(10), Elsewhere: saw(30)},
		{Flood: saw(21), Idle: saw(10), Elsewhere: saw(11)},
		{Flood: Victim{Lost: "the server does not answer"}, Idle: saw(10), Elsewhere: saw(10)},
	}}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`at most twice +1 of 3 +2 of 3`).MatchString(b.String()) {
		t.Error(b.String())
	}
}

// That a connection had to share the processors is said of those that were measured.
func TestSharingIsReported(t *testing.T) {
	for _, c := range []struct {
		saw  Victim
		want bool
	}{
		{Victim{Latency: new(Latency)}, true},
		{Victim{Latency: new(Latency), First: true}, false},
		{Victim{Lost: "the server does not answer"}, false},
	} {
		var b bytes.Buffer
		r := &FloodResult{Options: Defaults(Flood), Rows: []FloodRow{{Flood: c.saw}}}
		if err := r.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(b.String(), "does not let it come first"); said != c.want {
			t.Errorf("%+v: %v", c.saw, said)
		}
	}
}

// While attackers attack elsewhere, the server whose echo is measured does not see them.
func TestElsewhere(t *testing.T) {
	o := Defaults(Flood)
	o.Conns, o.Duration, o.Warmup = 3, 100*time.Millisecond, time.Millisecond
	p := Program(os.Args[0])
	r := &floodRun{o: o, program: p}
	for _, s := range []**Server{&r.server, &r.other} {
		var err error
		if *s, err = p.StartServer(t.Context(), ServerConfig{Backend: engine.Epoll}); err != nil {
			t.Fatal(err)
		}
		defer (*s).Stop()
	}
	f, err := floodNamed("grant-0")
	if err != nil {
		t.Fatal(err)
	}
	quiet := func(string, float64, int64) {}
	if _, v, err := r.attacked(t.Context(), f, r.other, quiet); err != nil || v.Lost != "" {
		t.Errorf("%+v, %v", v, err)
	}
	mine, err := r.server.Usage()
	if err != nil {
		t.Fatal(err)
	}
	other, err := r.other.Usage()
	if err != nil || mine.Stats.ConnsServed != 1 || other.Stats.ConnsServed == 0 {
		t.Errorf("%d connections, and %d elsewhere, %v", mine.Stats.ConnsServed, other.Stats.ConnsServed, err)
	}
}

// Whom nobody answers says so; what the process is told arrives.
func TestVictimsSayWhatTheySaw(t *testing.T) {
	server, err := Program(os.Args[0]).StartServer(t.Context(), ServerConfig{Backend: engine.Epoll})
	if err != nil {
		t.Fatal(err)
	}
	cfg := victimConfig{Addr: server.Addr, Duration: 100 * time.Millisecond, Backend: engine.Net}
	quiet := func(string, float64, int64) {}
	saw, err := Program(os.Args[0]).suffer(t.Context(), cfg, quiet)
	if err != nil || saw.Lost != "" || saw.Latency == nil || saw.Rate <= 0 {
		t.Errorf("%+v, %v", saw, err)
	}
	server.Stop()
	if saw, err = Program(os.Args[0]).suffer(t.Context(), cfg, quiet); err != nil || saw.Lost == "" || saw.Latency != nil {
		t.Errorf("without a server: %+v, %v", saw, err)
	}
}

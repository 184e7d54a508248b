package core

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/pool"
)

// TestTranscripts plays the conversations in testdata: what goes in stands above ----, what the core
// reports ("event") and sends (">") below. go test -rewrite writes the lower halves anew; read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		m := &machine{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				m.finish()
				m = newMachine(t, d)
			} else {
				m.command(d)
			}
			m.run()
			if m.conn.Silent() && !m.silent {
				m.silent = true
				m.printf("this side's direction ends")
			}
			if m.conn.Over() && !m.over {
				m.over = true
				m.printf("transport closed")
			}
			return m.take()
		})
		m.finish()
	})
}

// machine is a core, its application and its transport, under the control of a test.
type machine struct {
	t       *testing.T
	conn    *Conn
	arena   *Arena
	cfg     *Config
	now     time.Duration
	out     strings.Builder
	handles map[uint32]Handle // by channel id
	refuse  codec.Code        // what to answer OPEN with; NoError: accept
	traits  Traits            // to accept with
	keep    bool              // the application goes on with channels that have ended
	deny    bool              // it finds no credentials good
	taken   int               // memory that others use
	pressed bool              // too much of it is used
	blocked bool              // the transport takes nothing
	batch   Batch
	silent  bool
	over    bool
	wire    []byte // what was sent, not cut into frames yet
}

func newMachine(t *testing.T, d *datadriven.TestData) *machine {
	m := &machine{t: t, handles: make(map[uint32]Handle), now: time.Second}
	m.cfg = &Config{Pool: new(pool.Pool), Profile: BaseOnly, ConnWindow: 256 << 10}
	for _, a := range d.CmdArgs[1:] {
		m.configure(a.Key, strings.Join(a.Vals, ""))
	}
	m.cfg.Prepare()
	m.arena = NewArena(3, m.cfg)
	m.conn = new(Conn)
	m.conn.Init(m.now, m.cfg, m.arena, d.CmdArgs[0].Key == "client")
	if d.HasArg("ping") {
		m.conn.Ping()
	}
	return m
}

// configure sets what one argument of new says.
func (m *machine) configure(key, value string) {
	n, _ := strconv.Atoi(value)
	numbers := map[string]*int{
		"max-channels": &m.cfg.MaxChannels, "send-queue": &m.cfg.SendQueue, "frame-size": &m.cfg.FrameSize,
		"max-frame": &m.cfg.MaxFrame, "window": &m.cfg.Window, "max-window": &m.cfg.MaxWindow,
		"conn-window": &m.cfg.ConnWindow,
	}
	if to, ok := numbers[key]; ok {
		*to = n
		return
	}
	switch key {
	case "extended":
		m.cfg.Profile = Negotiate
	case "extended-only":
		m.cfg.Profile = ExtendedOnly
	case "compression":
		m.cfg.Compression = true
	case "credentials":
		m.cfg.Credentials, m.cfg.Profile = []byte(value), Negotiate
	case "want-credentials":
		m.cfg.WantCredentials = true
	case "software":
		m.cfg.Software = value
	case "memory":
		m.cfg.ConnMemory = int64(n)
	case "engine-memory": // of all connections together
		m.cfg.Memory = NewBudget(int64(n), nil)
	case "idle":
		m.cfg.Timeouts.Idle, _ = time.ParseDuration(value)
	case "blocked":
		m.blocked = true
	case "ping": // at once
	default:
		m.t.Fatalf("nothing to configure is called %s", key)
	}
}

// finish checks that a machine whose connection is over holds nothing any more.
func (m *machine) finish() {
	if m.conn == nil {
		return
	}
	m.conn.Abort(&End{Code: codec.Cancelled})
	m.blocked = false
	m.run()
	m.batch.Free()
	m.take()
	if leaks := m.cfg.Pool.Leaks(); len(leaks) > 0 {
		m.t.Errorf("%d buffers not released, one of %s", len(leaks), leaks[0])
	}
	if used := m.arena.Used(); used > 0 {
		m.t.Errorf("%d slots not released", used)
	}
	if used := m.shared().Used(); used != int64(m.taken) {
		m.t.Errorf("%d bytes of memory used, %d of them by others", used, m.taken)
	}
	if used := m.conn.memory.Used(); m.cfg.Memory != nil && used != 0 {
		m.t.Errorf("%d bytes of the connection's memory used", used)
	}
}

// shared is the memory that others use too.
func (m *machine) shared() *Budget {
	if m.cfg.Memory != nil {
		return m.cfg.Memory
	}
	return m.conn.Memory()
}

// traitsOf reads the traits that a command names.
func traitsOf(d *datadriven.TestData) (t Traits) {
	if d.HasArg("by-hand") {
		t |= ByHand
	}
	if d.HasArg("compress") {
		t |= Compress
	}
	return t
}

func (m *machine) take() string {
	s := m.out.String()
	m.out.Reset()
	if s == "" {
		return "(nothing)"
	}
	return s
}

func (m *machine) printf(format string, args ...any) { fmt.Fprintf(&m.out, format+"\n", args...) }

// command acts on one command of a transcript.
func (m *machine) command(d *datadriven.TestData) {
	arg := func(key string) (v string) {
		for _, a := range d.CmdArgs {
			if a.Key == key && len(a.Vals) > 0 {
				return a.Vals[0]
			}
		}
		return ""
	}
	num := func(i int) uint32 {
		n, err := strconv.ParseUint(d.CmdArgs[i].Key, 10, 32)
		if err != nil {
			m.t.Fatalf("%s: %v", d.Pos, err)
		}
		return uint32(n)
	}
	switch d.Cmd {
	case "recv":
		var all []byte
		for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
			all = append(all, parse(m.t, line)...)
		}
		m.conn.Feed(m.now, all)
	case "application": // how it answers OPEN from now on
		code, _ := strconv.Atoi(arg("refuse"))
		m.refuse = codec.Code(code)
		m.traits, m.keep, m.deny = traitsOf(d), d.HasArg("keep"), d.HasArg("deny")
	case "open":
		h := m.arena.Open()
		o := OpenParams{Priority: DefaultPriority, Target: []byte(arg("target"))}
		if p := arg("priority"); p != "" {
			o.Priority = p[0] - '0'
		}
		if w := arg("window"); w != "" {
			n, _ := strconv.Atoi(w)
			o.HasWindow, o.Window = true, uint32(n)
		}
		var params *pool.Buf
		if p := o.Append(nil); len(p) > 0 {
			params = m.cfg.Pool.Copy(p)
		}
		id := uint32(m.conn.nextID)
		m.handles[id] = h
		m.conn.Open(m.now, h, params, traitsOf(d))
	case "send":
		n, _ := strconv.Atoi(d.CmdArgs[1].Key)
		h := m.handles[num(0)]
		switch m.conn.Reserve(h, n, 0) {
		case SendOK:
			if n <= copyLimit {
				m.conn.SendCopy(m.now, h, make([]byte, n))
			} else {
				m.conn.Send(m.now, h, m.cfg.Pool.Get(n))
			}
		case SendFull:
			m.printf("would block")
		case SendStarved:
			m.printf("starved")
			m.conn.Starve(m.now, h)
		case SendClosed:
			m.printf("closed")
		}
	case "consume":
		h := m.handles[num(0)]
		if m.arena.Consume(h, int(num(1))) {
			m.conn.Collect(m.now, h)
		}
	case "closewrite":
		if h := m.handles[num(0)]; m.arena.Finish(h) {
			m.conn.CloseWrite(m.now, h)
		} else {
			m.printf("closed")
		}
	case "priority":
		h := m.handles[num(0)]
		m.conn.SetPriority(h, uint8(num(1)))
		m.printf("priority is %d", m.conn.Priority(h))
	case "close":
		if h := m.handles[num(0)]; m.arena.Shut(h) {
			m.conn.Close(m.now, h)
		}
	case "shut": // a Close that has not reached the connection yet
		m.arena.Shut(m.handles[num(0)])
	case "reset":
		h := m.handles[num(0)]
		m.arena.Shut(h)
		m.conn.Reset(h, codec.Code(num(1)))
	case "ping":
		seq, ok := m.conn.Ping()
		m.printf("ping %d %v", seq, ok)
	case "goaway":
		m.conn.GoAway(m.now)
	case "quit":
		m.conn.Quit(m.now, &End{Code: codec.Cancelled, Reason: "enough"})
	case "release":
		m.conn.Release(m.handles[num(0)])
	case "eof":
		m.conn.PeerClosed(m.now, nil)
	case "broken":
		m.conn.PeerClosed(m.now, errors.New("broken pipe"))
	case "block":
		m.blocked = true
	case "unblock":
		m.blocked = false
		m.conn.Sent(m.now, m.batch.Len())
		m.wire = join(m.wire, &m.batch)
	case "memory": // others take some, or give it back; what is used then
		if n, _ := strconv.Atoi(arg("take")); !m.shared().Take(n) {
			m.printf("that is too much")
		} else {
			m.taken += n
		}
		n, _ := strconv.Atoi(arg("give"))
		m.shared().Give(n)
		m.taken -= n
		m.pressed = m.conn.Pressed(m.pressed)
		m.printf("%d bytes used, %d by others, pressed: %v", m.shared().Used(), m.taken, m.pressed)
	case "windows":
		if r := m.arena.get(m.handles[num(0)]); r != nil {
			m.printf("channel %d: %d, connection: %d", num(0), r.in.size, m.conn.in.size)
		}
	case "stream":
		every, _ := time.ParseDuration(arg("every"))
		times, _ := strconv.Atoi(arg("times"))
		m.stream(num(0), num(1), every, times)
	case "hurry":
		m.cfg.Hurry.Store(true)
	case "wait":
		m.wait(d.CmdArgs[0].Key, d.HasArg("alive"))
	case "sleep": // this process stands still
		span, _ := time.ParseDuration(d.CmdArgs[0].Key)
		m.now += span
		m.conn.Tick(m.now)
	default:
		m.t.Fatalf("%s: no command %s", d.Pos, d.Cmd)
	}
}

// stream has data come in equal steps, as far as the windows allow, and shows the sums of what is granted.
func (m *machine) stream(id, n uint32, every time.Duration, times int) {
	before := m.out.String()
	m.out.Reset()
	r := m.arena.get(m.handles[id])
	data := codec.Header{Type: codec.Data, Channel: id}.Append(nil, make([]byte, n))
	came := 0
	for range times {
		if m.now += every; r.in.window >= n {
			m.conn.Feed(m.now, data)
			came += int(n)
		}
		m.run()
		m.conn.Tick(m.now)
		m.run()
	}
	var granted, frames [2]int // to the connection, to the channel
	for line := range strings.Lines(m.take()) {
		var of uint32
		var n int
		if _, err := fmt.Sscanf(line, "> FLOW_CONTROL %d +%d", &of, &n); err == nil {
			granted[min(of, 1)] += n
			frames[min(of, 1)]++
		}
	}
	m.out.WriteString(before)
	m.printf("%d bytes came, %d granted in %d frames, %d in %d to the connection", came,
		granted[1], frames[1], granted[0], frames[0])
}

// wait lets time pass, with a Tick whenever one is due. A peer that is alive lets the connection hear of
// it in time.
func (m *machine) wait(span string, alive bool) {
	d, err := time.ParseDuration(span)
	if err != nil {
		m.t.Fatal(err)
	}
	end := m.now + d
	for {
		due := m.conn.Deadline(m.now)
		if due > end {
			break
		}
		if due < m.now {
			m.t.Fatalf("deadline %v at %v", due, m.now)
		}
		m.now = due
		if alive {
			m.conn.Feed(m.now, nil)
		}
		m.conn.Tick(m.now)
		if next := m.conn.Deadline(m.now); next <= m.now {
			m.t.Fatalf("deadline %v is not later than %v after Tick", next, m.now)
		}
		before := m.out.Len()
		m.run()
		if s := m.out.String()[before:]; s != "" {
			rest := m.out.String()[:before]
			m.out.Reset()
			m.out.WriteString(rest)
			m.printf("at %v", m.now-time.Second)
			m.out.WriteString(s)
		}
	}
	m.now = end
}

// run reports all events and writes all frames.
func (m *machine) run() {
	var ev Event
	for m.conn.Step(m.now, &ev) {
		m.event(ev)
	}
	for !m.blocked {
		m.batch.Release()
		m.conn.Next(m.now, &m.batch)
		if m.batch.Len() == 0 {
			break
		}
		m.conn.Sent(m.now, m.batch.Len())
		m.wire = join(m.wire, &m.batch)
	}
	if m.blocked && m.batch.Len() == 0 {
		m.conn.Next(m.now, &m.batch)
	}
	m.frames()
	if m.conn.Step(m.now, &ev) {
		m.event(ev)
		m.run()
	}
}

func join(b []byte, batch *Batch) []byte {
	for _, s := range batch.Slices {
		b = append(b, s...)
	}
	batch.Release()
	return b
}

// frames prints what is whole of the bytes sent.
func (m *machine) frames() {
	limits := codec.Limits{Ping: codec.MaxHello, Pong: codec.MaxHello, Data: m.conn.peer.takes}
	if _, rest, err := codectest.Decode(m.wire, codectest.Limits(limits)); err != nil || rest > 0 {
		m.t.Fatalf("sent what is not right: %v, %d bytes behind it", err, rest)
	}
	s := codec.Splitter{Limits: limits}
	s.Feed(m.wire)
	for {
		var f codec.Frame
		ok, err := s.Next(&f, (*carrier)(m.conn))
		if err != nil {
			m.t.Fatalf("sent a bad frame: %v", err)
		}
		if !ok {
			break
		}
		m.printf("> %s", show(f))
	}
	m.wire = nil
}

// event plays the application.
func (m *machine) event(ev Event) {
	id := uint32(0)
	if ev.Channel.Slot != 0 {
		id = m.arena.records.at(ev.Channel.Slot).id
	}
	switch ev.Kind {
	case Opened:
		o, err := ParseOpen(ev.Data)
		if err != nil {
			m.t.Fatalf("opened with bad parameters: %v", err)
		}
		m.printf("event opened %d target %q priority %d metadata %q", id, o.Target, o.Priority, o.Metadata)
		if m.refuse != codec.NoError {
			m.conn.Refuse(m.now, ev.Channel, m.refuse)
			return
		}
		m.handles[id] = ev.Channel
		m.conn.Accept(ev.Channel, m.traits)
	case Accepted:
		m.printf("event accepted %d", id)
	case Greeted:
		m.printf("event greeted %q", ev.Data)
		m.conn.Admit(m.now, !m.deny)
	case DataReceived:
		fin := ""
		if ev.Fin {
			fin = " FIN"
		}
		m.printf("event data %d%s (%d bytes)", id, fin, len(ev.Data))
	case Writable:
		m.printf("event writable %d", id)
	case Closed:
		m.printf("event closed %d: %s", id, ev.End.text())
		if m.keep {
			m.conn.Keep(ev.Channel)
			return
		}
		m.conn.Release(ev.Channel)
		if m.arena.Live(ev.Channel) != (m.arena.records.at(ev.Channel.Slot).state == closed) {
			m.t.Errorf("handle of released channel %d", id)
		}
	case Ponged:
		m.printf("event ponged %d after %v", ev.Seq, ev.Duration)
	case GoneAway:
		m.printf("event gone away")
	case Down:
		m.printf("event down: %s", ev.End.text())
	}
}

func (e *End) text() string {
	s := "cleanly"
	if !e.Clean {
		s = e.Code.String()
	}
	if e.Remote {
		s += " by the peer"
	}
	if e.Conn {
		s += " with the connection"
	}
	if e.Reason != "" {
		s += fmt.Sprintf(" (%s)", e.Reason)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

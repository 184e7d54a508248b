package core

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/pool"
)

// player is a core under a peer that sends whatever bytes, with an application that does what a script says: with
// every event it takes the next byte of that. Nothing depends on how the bytes were cut.
type player struct {
	t        *testing.T
	conn     Conn
	cfg      *Config
	arena    *Arena
	now      time.Duration
	script   []byte
	at       int
	channels []Handle // that have not ended
	events   []string
	batch    Batch
	wire     []byte // what the transport took
	came     int    // bytes
	sent     int    // bytes of data that the application sent
	calls    int    // of the application, and ticks: what may leave without anything coming
}

// newPlayer makes a core that is configured as seed has it.
func newPlayer(t *testing.T, client bool, script []byte, seed uint64) *player {
	r := rand.New(rand.NewPCG(seed, 1))
	p := &player{t: t, script: script, now: time.Second}
	p.cfg = &Config{
		Pool: new(pool.Pool), Compression: r.IntN(2) == 0, WantCredentials: !client && r.IntN(8) == 0,
		MaxChannels: r.IntN(2) * 4, SendQueue: r.IntN(2) * 5000, MaxFrame: r.IntN(2) * 100_000,
		Window: r.IntN(3) * 50_000, ConnWindow: 65536 + r.IntN(100_000), ConnMemory: int64(r.IntN(2) * 50_000),
		Timeouts: Timeouts{Idle: time.Duration(r.IntN(2)) * time.Minute},
	}
	if n := r.IntN(16); n < 2 {
		p.cfg.Profile = []Profile{BaseOnly, ExtendedOnly}[n]
	}
	if r.IntN(2) == 0 {
		p.cfg.Memory = NewBudget(40_000, nil)
	}
	p.cfg.Prepare()
	p.arena = NewArena(2, p.cfg)
	p.conn.Init(p.now, p.cfg, p.arena, client)
	return p
}

// play feeds a stream in chunks, with time and output between them, as seed has it. A chunk comes in pieces of at
// most piece bytes: that must not matter.
func (p *player) play(stream []byte, seed uint64, piece int) {
	r := rand.New(rand.NewPCG(seed, 2))
	p.do()
	for !p.conn.Over() {
		p.write(r)
		n := min(len(stream), 1+r.IntN(200)*r.IntN(200))
		for chunk := stream[:n]; len(chunk) > 0 && !p.conn.Over(); {
			m := min(len(chunk), piece)
			p.came += m
			p.conn.Feed(p.now, chunk[:m])
			p.step()
			chunk = chunk[m:]
		}
		if stream = stream[n:]; r.IntN(4) == 0 {
			p.pass(time.Duration(r.Uint64N(uint64(time.Second)) << r.IntN(8)))
		}
		if n == 0 {
			break
		}
	}
	if r.IntN(2) == 0 {
		p.conn.PeerClosed(p.now, nil)
	}
	for range 20 {
		p.step()
		p.write(r)
		p.pass(time.Minute)
	}
	p.conn.Abort(&End{Code: codec.Cancelled})
	p.step()
	p.took(p.batch.Len())
	p.batch.Free()
}

// pass lets time pass. Of several things that are due at once Tick may leave some for its next call, but not be
// called for ever.
func (p *player) pass(d time.Duration) {
	again := 0
	for end := p.now + d; ; {
		due := p.conn.Deadline(p.now)
		if due > end {
			p.now = end
			return
		}
		p.now = max(p.now, due)
		p.conn.Tick(p.now)
		p.calls++
		if again++; p.conn.Deadline(p.now) > p.now {
			again = 0
		} else if again > 3 {
			p.t.Fatalf("something is due at %v however often Tick is called", p.now)
		}
		p.step()
	}
}

// write has the transport take some of what there is to send, or all, or nothing.
func (p *player) write(r *rand.Rand) {
	for p.conn.Unsent() > 0 || !p.conn.Over() {
		if p.conn.Unsent() == 0 {
			p.conn.Next(p.now, &p.batch)
		}
		switch n := p.conn.Unsent(); {
		case n == 0:
			p.step()
			return
		case r.IntN(4) == 0:
			p.conn.Sent(p.now, r.IntN(n))
			return
		default:
			p.took(p.conn.Unsent())
		}
		p.step()
	}
}

// took has the transport take the last n bytes of a batch.
func (p *player) took(n int) {
	p.conn.Sent(p.now, n)
	p.wire = join(p.wire, &p.batch)
}

// step reports all events. The application answers each, and then does one thing more.
func (p *player) step() {
	var ev Event
	for p.conn.Step(p.now, &ev) {
		id := uint32(0)
		if ev.Channel.Slot != 0 {
			id = p.arena.records.at(ev.Channel.Slot).id
		}
		end := ""
		if ev.End != nil {
			end = ev.End.text()
		}
		p.events = append(p.events, fmt.Sprintf("%v: event %d of %d, %d bytes %08x, fin %v, %s", p.now, ev.Kind, id,
			len(ev.Data), crc32.ChecksumIEEE(ev.Data), ev.Fin, end))
		op := p.peek()
		switch ev.Kind {
		case Greeted:
			p.conn.Admit(p.now, op%8 != 0)
		case Opened:
			if op%8 == 0 {
				p.conn.Refuse(p.now, ev.Channel, codec.Refused)
				break
			}
			p.conn.Accept(ev.Channel, Traits(op/8)&(ByHand|Compress))
			p.channels = append(p.channels, ev.Channel)
		case DataReceived:
			p.send(ev.Channel, ev.Data)
		case Closed:
			p.channels = slices.DeleteFunc(p.channels, func(h Handle) bool { return h == ev.Channel })
			if op%8 == 0 {
				p.conn.Keep(ev.Channel)
			} else {
				p.conn.Release(ev.Channel)
			}
		}
		p.do()
	}
}

// peek is the next byte of the script, 1 if there is none.
func (p *player) peek() byte {
	if p.at < len(p.script) {
		return p.script[p.at]
	}
	return 1
}

// do does what the next byte of the script says, with the channel it says.
func (p *player) do() {
	op := p.peek()
	p.at++
	p.calls++
	switch op % 16 {
	case 9:
		h := p.arena.Open()
		o := OpenParams{Priority: op >> 5, HasWindow: op&16 != 0, Window: uint32(op) << 9}
		p.channels = append(p.channels, h)
		p.conn.Open(p.now, h, p.cfg.Pool.Copy(o.Append(nil)), Traits(op/64)&(ByHand|Compress))
	case 11:
		p.conn.Ping()
	case 12:
		if op>>4 == 12 {
			p.conn.GoAway(p.now)
		}
	case 13:
		if op>>4 == 13 {
			p.conn.Quit(p.now, &End{Code: codec.Cancelled})
		}
	case 14:
		p.conn.Anomaly(p.now)
	}
	if len(p.channels) == 0 {
		return
	}
	h := p.channels[int(op/16)%len(p.channels)]
	switch op % 16 {
	case 2, 3:
		p.send(h, make([]byte, int(op)*int(op)))
	case 4:
		if p.arena.Shut(h) {
			p.conn.Close(p.now, h)
		}
	case 5:
		p.arena.Shut(h)
		p.conn.Reset(h, codec.Code(op))
	case 6, 7:
		if _, _, features := p.conn.Peer(); features&codec.FeatureFin != 0 && p.arena.Finish(h) {
			p.conn.CloseWrite(p.now, h)
		}
	case 8, 10:
		if p.arena.Consume(h, int(op)<<8) {
			p.conn.Collect(p.now, h)
		}
	case 15:
		p.conn.SetPriority(h, op>>5)
	}
}

func (p *player) send(h Handle, b []byte) {
	if len(b) == 0 {
		return
	}
	switch p.conn.Reserve(h, len(b), 0) {
	case SendOK:
		p.sent += len(b)
		if len(b) <= copyLimit {
			p.conn.SendCopy(p.now, h, b)
		} else {
			p.conn.Send(p.now, h, p.cfg.Pool.Copy(b))
		}
	case SendStarved:
		p.conn.Starve(p.now, h)
	}
}

// check verifies what must hold at the end: all is given back, and what was sent is right and not too much.
func (p *player) check() {
	if leaks := p.cfg.Pool.Leaks(); len(leaks) > 0 {
		p.t.Errorf("%d buffers not released, one of %s", len(leaks), leaks[0])
	}
	if used := p.arena.Used(); used > 0 {
		p.t.Errorf("%d slots not released", used)
	}
	if used := p.conn.memory.Used(); used != 0 || p.cfg.Memory != nil && p.cfg.Memory.Used() != 0 {
		p.t.Errorf("%d bytes of memory used", used)
	}
	limits := codectest.Limits{Data: codec.LargestData, Ping: codec.MaxHello, Pong: codec.MaxHello}
	frames, rest, err := codectest.Decode(p.wire, limits)
	if err != nil || rest > 0 {
		p.t.Fatalf("sent what is not right: %v, %d bytes behind it", err, rest)
	}
	_, extended, features := p.conn.Peer()
	data, control := 0, 0
	for i, f := range frames {
		may := byte(0)
		if f.Type == byte(codec.Data) && features&codec.FeatureFin != 0 {
			may |= byte(codec.Fin)
		}
		if f.Type == byte(codec.Data) && features&codec.FeatureZlib != 0 {
			may |= byte(codec.Compressed)
		}
		switch {
		case f.Flags&^may != 0, f.Type == byte(codec.Priority) && features&codec.FeaturePriority == 0,
			f.Type == byte(codec.FlowControl) && f.Channel == 0 && !extended:
			p.t.Errorf("sent frame %d, of type %d with flags %x, which the peer did not offer", i, f.Type, f.Flags)
		case f.Type == byte(codec.Error) && f.Channel == 0 && binary.BigEndian.Uint32(f.Payload) != 0 && i < len(frames)-1:
			p.t.Errorf("%d frames behind the connection error", len(frames)-1-i)
		case f.Type != byte(codec.Data):
			control += codec.HeaderSize + len(f.Payload)
		case f.Flags&byte(codec.Compressed) != 0:
			plain, ok := unzipped(f.Payload, codec.LargestData)
			if !ok {
				p.t.Errorf("frame %d is no zlib stream", i)
			}
			data += len(plain)
		default:
			data += len(f.Payload)
		}
	}
	if most := p.came*5/4 + 4096 + 64*p.calls; control > most { // ERROR answers OPEN: 20 bytes for 16
		p.t.Errorf("%d bytes came, %d calls, %d bytes of control frames left", p.came, p.calls, control)
	}
	if data > p.sent {
		p.t.Errorf("%d bytes of data left, the application sent %d", data, p.sent)
	}
}

// play is how a core lives under stream and script. The stream is made to have right CRCs: else what is tried out
// would rarely come as far as that.
func play(t *testing.T, client bool, stream, script []byte, seed uint64) {
	if seed%8 != 0 {
		stream = mended(stream)
	}
	whole := newPlayer(t, client, script, seed)
	whole.play(stream, seed, len(stream)+1)
	whole.check()
	pieces := newPlayer(t, client, script, seed)
	pieces.play(stream, seed, 1+int(seed%61))
	pieces.check()
	for i := range max(len(whole.events), len(pieces.events)) {
		if i >= len(whole.events) || i >= len(pieces.events) || whole.events[i] != pieces.events[i] {
			t.Fatalf("events of the whole stream\n%s\nin pieces\n%s", strings.Join(whole.events[i:], "\n"),
				strings.Join(pieces.events[i:], "\n"))
		}
	}
}

// mended is a stream with the CRC of every frame set right, as far as there are frames.
func mended(stream []byte) []byte {
	stream = slices.Clone(stream)
	for rest := stream; len(rest) >= codec.HeaderSize; {
		length := binary.BigEndian.Uint32(rest[8:])
		if uint64(len(rest)) < codec.HeaderSize+uint64(length) {
			break
		}
		end := codec.HeaderSize + int(length)
		covered := rest[codec.HeaderSize:end]
		if rest[7] == byte(codec.HeaderCRC) || rest[7] == byte(codec.HeaderCRC|codec.Fin) {
			covered = nil
		}
		binary.BigEndian.PutUint32(rest[12:], codec.CRC(rest[:12], covered))
		rest = rest[end:]
	}
	return stream
}

// streams are the bytes that transcripts have the peer of a client, or of a server, send.
func streams(f *testing.F, side string) (all [][]byte) {
	paths, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // a directory
		}
		for story := range strings.SplitSeq(string(text), "\nnew ") {
			if !strings.HasPrefix(story, side) {
				continue
			}
			var stream []byte
			for part := range strings.SplitSeq(story, "\nrecv\n") {
				lines, _, ok := strings.Cut(part, "\n----\n")
				if !ok || strings.HasPrefix(part, side) {
					continue
				}
				for line := range strings.SplitSeq(lines, "\n") {
					line, _, _ = strings.Cut(line, " times ")
					stream = append(stream, parse(f, line)...)
				}
			}
			if len(stream) > 0 && len(stream) < 1<<16 {
				all = append(all, stream)
			}
		}
	}
	return all
}

// FuzzServerScript: whatever comes, and whatever the application does, a server keeps to the protocol.
func FuzzServerScript(f *testing.F) {
	seeds(f, "server")
	f.Fuzz(func(t *testing.T, stream, script []byte, seed uint64) { play(t, false, stream, script, seed) })
}

// FuzzClientScript is the same for a client.
func FuzzClientScript(f *testing.F) {
	seeds(f, "client")
	f.Fuzz(func(t *testing.T, stream, script []byte, seed uint64) { play(t, true, stream, script, seed) })
}

func seeds(f *testing.F, side string) {
	for i, stream := range streams(f, side) {
		r := rand.New(rand.NewPCG(uint64(i), 0))
		script := make([]byte, 8+r.IntN(64))
		for k := range script {
			script[k] = byte(r.Uint32())
		}
		if script[0] = 1; side == "client" {
			script[0] = 9 // it opens a channel
		}
		f.Add(stream, script, r.Uint64()|1)
		f.Add(stream, script[:8], r.Uint64()&^7)
	}
}

//go:build linux

package engine_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// startWindow is what either side of a base channel may send at first (SPEC section 2).
const startWindow = 65536

// backends are what every test of a server runs on: those that this machine has.
var backends = engine.Backends()

// rawPeer is a client without an engine: it sends whatever bytes a test wants, over a real socket, and
// reads frames. Every frame it reads must be one that a correct server may send, whatever the test is
// about: magic, CRC and lengths are right, nothing that was not offered, nothing beyond a window.
type rawPeer struct {
	t    testing.TB
	conn *net.TCPConn
	step string // of a script, for messages

	split codec.Splitter
	buf   []byte
	pings int
	pongs bool // PINGs are answered, and never returned by next

	framesIn, framesOut int
	bytesIn, bytesOut   int
	granted             map[uint32]int // FLOW_CONTROL that came: it is tallied, never returned by next
	owed                map[uint32]int // DATA sent and not granted back
	window              map[uint32]int // what the server may still send, less startWindow
	terms               terms
}

// dialRaw connects to a server.
func dialRaw(t testing.TB, addr string) *rawPeer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newRawPeer(t, nc.(*net.TCPConn))
}

func newRawPeer(t testing.TB, conn *net.TCPConn) *rawPeer {
	t.Cleanup(func() { conn.Close() })
	p := offline(t)
	p.conn, p.buf = conn, make([]byte, 64<<10)
	p.split.Limits.Pong = codec.MaxHello
	p.terms.ended = make(map[uint32]bool)
	return p
}

// offline returns a peer that can only make frames.
func offline(t testing.TB) *rawPeer {
	return &rawPeer{t: t, granted: make(map[uint32]int), owed: make(map[uint32]int), window: make(map[uint32]int)}
}

func (p *rawPeer) fatalf(format string, args ...any) {
	p.t.Helper()
	if p.step != "" {
		format = p.step + ": " + format
	}
	p.t.Fatalf(format, args...)
}

// play plays a conversation, one step in a line:
//
//	> OPEN 1; DATA 1 "hi"   send these frames in one write (see frame for how they are written)
//	< ACK 1                 the next frame that comes is this one
//	alive                   the connection lives, and nothing else comes
//	! PROTOCOL              the server ends the connection with this error, and sends nothing else
//	closed                  the server ends the connection without a word
//	fin                     end our direction
//	pongs                   answer the server's PINGs from now on, which are no steps then
//	bytes "GET / HTTP"      send bytes that are no frame
//	head DATA 1 65537       send the first 12 bytes of such a frame's header, with this length
//
// Grants (FLOW_CONTROL) of the server's may come any time and are no steps.
func (p *rawPeer) play(script string) {
	p.t.Helper()
	for line := range strings.Lines(script) {
		p.step = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(p.step, " ")
		switch verb {
		case "":
		case ">":
			p.send(strings.Split(rest, "; ")...)
		case "<":
			p.want(rest)
		case "alive":
			p.wantAlive()
		case "!":
			p.wantConnError(codeNamed(p, rest))
		case "closed":
			p.wantClosed()
		case "pongs":
			p.pongs = true
		case "fin":
			p.conn.CloseWrite()
		case "bytes":
			text, err := strconv.Unquote(rest)
			if err != nil {
				p.fatalf("%v", err)
			}
			p.sendBytes([]byte(text))
		case "head":
			p.sendBytes(p.head(rest)[:12])
		default:
			p.fatalf("no such step")
		}
	}
	p.step = ""
}

// send sends frames in one write.
func (p *rawPeer) send(frames ...string) {
	p.t.Helper()
	p.sendBytes(p.encode(frames...))
}

// encode makes frames, which are taken for sent.
func (p *rawPeer) encode(frames ...string) (all []byte) {
	p.t.Helper()
	for _, f := range frames {
		h, payload, times := p.frame(f)
		p.framesOut += times
		p.agree(h, payload)
		switch h.Type {
		case codec.Data:
			n := plainSize(h, payload) * times
			p.owed[h.Channel] += n
			p.owed[0] += n
		case codec.FlowControl:
			if len(payload) == 4 {
				p.window[h.Channel] += int(binary.BigEndian.Uint32(payload)) * times
			}
		}
		one := p.terms.append(nil, h, payload)
		for range times {
			all = append(all, one...)
		}
	}
	return all
}

// head makes a header, of which the text is the type, the channel and the length, with a CRC that would be
// right if there were no payload.
func (p *rawPeer) head(text string) []byte {
	p.t.Helper()
	fields := strings.Fields(text)
	if len(fields) != 3 {
		p.fatalf("a head is a type, a channel and a length")
	}
	h := codec.Header{Type: typeNamed(p, fields[0]), Channel: number(p, fields[1]), Length: number(p, fields[2])}
	b := make([]byte, codec.HeaderSize)
	h.Put(b, nil)
	return b
}

// sendBytes sends bytes.
func (p *rawPeer) sendBytes(b []byte) {
	p.t.Helper()
	if err := p.write(b); err != nil {
		p.fatalf("%v", err)
	}
}

// write is sendBytes for who is prepared to fail, or to be stopped.
func (p *rawPeer) write(b []byte) error {
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	n, err := p.conn.Write(b)
	p.bytesOut += n
	return err
}

// frame reads a frame from its text, such as OPEN 1 target=echo, DATA 1 "text", DATA 1 *100 (100 zero
// bytes), ERROR 1 REFUSED "reason", FLOW_CONTROL 1 1000, DATA 1 flags 0x02, type200 0 times 30, and HELLO
// features=15 connwindow=65536.
func (p *rawPeer) frame(line string) (h codec.Header, payload []byte, times int) {
	p.t.Helper()
	times = 1
	if text, n, ok := strings.Cut(line, " times "); ok {
		line, times = text, int(number(p, n))
	}
	if text, ok := strings.CutPrefix(line, "HELLO"); ok {
		line = `PING 0 "\x00\x00\x00\x00SSC?"` + text
	}
	name, rest, _ := strings.Cut(line, " ")
	h.Type = typeNamed(p, name)
	channel, rest, _ := strings.Cut(rest, " ")
	h.Channel = number(p, channel)
	if text, ok := strings.CutPrefix(rest, "flags "); ok {
		var flags string
		flags, rest, _ = strings.Cut(text, " ")
		h.Flags = codec.Flags(number(p, flags))
	}
	for rest != "" {
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			text, _ := strconv.Unquote(quoted)
			payload, rest = append(payload, text...), strings.TrimSpace(rest[len(quoted):])
			continue
		}
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		if n, ok := strings.CutPrefix(word, "*"); ok {
			payload = append(payload, make([]byte, number(p, n))...)
		} else if name, value, ok := strings.Cut(word, "="); ok {
			payload = appendNamed(p, payload, name, value)
		} else if word[0] >= 'A' && word[0] <= 'Z' {
			payload = binary.BigEndian.AppendUint32(payload, uint32(codeNamed(p, word)))
		} else {
			payload = binary.BigEndian.AppendUint32(payload, number(p, word))
		}
	}
	return h, payload, times
}

func number(p *rawPeer, s string) uint32 {
	p.t.Helper()
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		p.fatalf("%v", err)
	}
	return uint32(n)
}

func typeNamed(p *rawPeer, name string) codec.Type {
	p.t.Helper()
	for t := codec.Open; t <= codec.Priority; t++ {
		if t.String() == name {
			return t
		}
	}
	n, ok := strings.CutPrefix(name, "type")
	if !ok {
		p.fatalf("no frame %s", name)
	}
	return codec.Type(number(p, n))
}

func codeNamed(p *rawPeer, name string) codec.Code {
	p.t.Helper()
	for c := codec.NoError; c <= codec.Cancelled; c++ {
		if c.String() == name {
			return c
		}
	}
	p.fatalf("no code %s", name)
	return 0
}

// show is a frame that came, written as play has it. Reasons are for people and left out; long data is
// only counted.
func show(f codec.Frame) string {
	s := fmt.Sprintf("%v %d", f.Type, f.Channel)
	if f.Flags != 0 {
		s += fmt.Sprintf(" flags %#02x", int(f.Flags))
	}
	switch {
	case len(f.Payload) == 0:
	case bytes.HasPrefix(f.Payload, []byte("\x00\x00\x00\x00SSC!")):
		s += " HELLO"
	case f.Type == codec.Error:
		s += " " + codec.Code(binary.BigEndian.Uint32(f.Payload)).String()
	case len(f.Payload) > 64:
		s += fmt.Sprintf(" (%d bytes)", len(f.Payload))
	default:
		s += fmt.Sprintf(" %q", f.Payload)
	}
	return s
}

// came is what next has returned, for messages.
func came(f codec.Frame, err error) string {
	if err != nil {
		return err.Error()
	}
	return show(f)
}

// next returns the next frame but grants; its payload is valid until the next call.
func (p *rawPeer) next(within time.Duration) (codec.Frame, error) {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(within))
	for {
		var f codec.Frame
		ok, err := p.split.Next(&f, heapBuffers{})
		switch {
		case err != nil:
			p.fatalf("the server sent a bad frame: %v", err)
		case ok:
			p.check(&f)
			switch {
			case f.Type == codec.FlowControl:
			case f.Type == codec.Ping && p.pongs:
				p.sendBytes(codec.Header{Type: codec.Pong}.Append(nil, f.Payload))
			default:
				return f, nil
			}
			continue
		}
		n, err := p.conn.Read(p.buf)
		if err != nil {
			return f, err
		}
		p.bytesIn += n
		p.split.Feed(p.buf[:n])
	}
}

// check is the oracle: it knows what no server may send, and counts. A payload that is compressed is replaced by
// what it inflates to.
func (p *rawPeer) check(f *codec.Frame) {
	p.t.Helper()
	p.framesIn++
	if fault := p.terms.fault(p.framesIn, f); fault != "" {
		p.fatalf("the server sent %v, %s", f, fault)
	}
	switch f.Type {
	case codec.Data:
		n := len(f.Payload)
		p.window[0] -= n
		if p.window[f.Channel] -= n; p.window[f.Channel] < -startWindow {
			p.fatalf("the server exceeds the window with %v", f)
		}
		if p.terms.connWindow > 0 && p.window[0] < -startWindow {
			p.fatalf("the server exceeds the window of the connection with %v", f)
		}
	case codec.FlowControl:
		grant := int(binary.BigEndian.Uint32(f.Payload))
		p.granted[f.Channel] += grant
		if p.owed[f.Channel] -= grant; grant == 0 || p.owed[f.Channel] < -p.terms.mostGranted() {
			p.fatalf("the server grants %d too many with %v", -p.owed[f.Channel], f)
		}
	}
}

// heapBuffers is a splitter's memory.
type heapBuffers struct{}

func (heapBuffers) Grow(b []byte, n int) []byte { return slices.Grow(b, n-len(b)) }
func (heapBuffers) Free([]byte)                 {}

// want is that these frames come next.
func (p *rawPeer) want(frames ...string) {
	p.t.Helper()
	for _, want := range frames {
		f, err := p.next(patience)
		if err != nil {
			p.fatalf("instead of %s: %v", want, err)
		}
		if got := show(f); got != want {
			p.fatalf("%s came instead of %s", got, want)
		}
	}
}

// wantData is that exactly these bytes come next on a channel, in DATA of any size.
func (p *rawPeer) wantData(channel uint32, want []byte) {
	p.t.Helper()
	for got := 0; got < len(want); {
		f, err := p.next(patience)
		switch {
		case err != nil:
			p.fatalf("after %d bytes of %d: %v", got, len(want), err)
		case f.Type != codec.Data || f.Channel != channel:
			p.fatalf("after %d bytes of %d came %s", got, len(want), show(f))
		case !bytes.HasPrefix(want[got:], f.Payload):
			p.fatalf("wrong bytes came after %d", got)
		}
		got += len(f.Payload)
	}
}

// wantAlive is that the connection works and nothing else is to come. PONG may overtake what was due
// before it, but not two round trips long.
func (p *rawPeer) wantAlive() {
	p.t.Helper()
	for range 2 {
		p.pings++
		text := fmt.Sprintf(`0 "alive %d"`, p.pings)
		p.send("PING " + text)
		p.want("PONG " + text)
	}
}

// wantConnError is that the server ends the connection with ERROR on channel 0 as the next frame, sends
// nothing behind it, and closes at once when this side does.
func (p *rawPeer) wantConnError(code codec.Code) {
	p.t.Helper()
	want := "ERROR 0 " + code.String()
	f, err := p.next(reaction)
	if err != nil {
		p.fatalf("instead of %s: %v", want, err)
	}
	if got := show(f); got != want {
		p.fatalf("%s came instead of %s", got, want)
	}
	p.conn.CloseWrite()
	p.wantClosed()
}

// wantClosed is that the server ends the connection, and nothing comes before that.
func (p *rawPeer) wantClosed() {
	p.t.Helper()
	f, err := p.next(reaction)
	if err == nil {
		p.fatalf("%s came instead of the end", show(f))
	}
	if !closes(err) {
		p.fatalf("instead of the end: %v", err)
	}
}

// closes returns whether err, of a socket, means that the other end has closed it.
func closes(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// echo is that a message comes back on an open channel.
func (p *rawPeer) echo(channel int, text string) {
	p.t.Helper()
	frame := fmt.Sprintf("DATA %d %q", channel, text)
	p.send(frame)
	p.want(frame)
}

// reset ends the connection with RST.
func (p *rawPeer) reset() {
	p.conn.SetLinger(0)
	p.conn.Close()
}

// probe is the built-in application, and two targets more:
//
//	hold      keeps what comes and never gives window back
//	callback  opens a channel back to its peer
//
// It knows what reached it from others than the witness.
type probe struct {
	*builtin.Handler
	connected func(*engine.Conn) // called for all but the first, which is the witness's; if not nil
	conns     atomic.Int64       // that ever came
	opens     atomic.Int64       // of channels
	bytes     atomic.Int64       // of data

	mu     sync.Mutex
	ends   []error // of connections
	closes []error // of channels
}

// base is what a Handler made of a probe has for serveRaw.
func (h *probe) base() *probe { return h }

// keeper is the context of a channel with target hold.
type keeper struct{}

func (h *probe) OnConnect(c *engine.Conn) {
	if h.conns.Add(1) > 1 && h.connected != nil {
		h.connected(c)
	}
}

func (h *probe) OnDisconnect(c *engine.Conn, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = append(h.ends, err)
}

func (h *probe) OnOpen(ch engine.Channel, r engine.OpenRequest) engine.Answer {
	target := string(r.Target)
	if target == "witness" {
		ch.Conn().SetContext(target)
		r.Target = nil
		return h.Handler.OnOpen(ch, r)
	}
	h.opens.Add(1)
	switch target {
	case "hold":
		ch.SetContext(keeper{})
		return engine.Answer{ManualCredit: true}
	case "callback":
		ch.Conn().Open(engine.OpenOptions{})
		r.Target = nil
	}
	return h.Handler.OnOpen(ch, r)
}

func (h *probe) OnData(ch engine.Channel, p []byte) {
	if ch.Conn().Context() == nil {
		h.bytes.Add(int64(len(p)))
	}
	if _, ok := ch.Context().(keeper); !ok {
		h.Handler.OnData(ch, p)
	}
}

func (h *probe) OnEnd(ch engine.Channel) {
	if _, ok := ch.Context().(keeper); ok {
		ch.CloseWrite()
	} else {
		h.Handler.OnEnd(ch)
	}
}

func (h *probe) OnClose(ch engine.Channel, err error) {
	h.mu.Lock()
	h.closes = append(h.closes, err)
	h.mu.Unlock()
	h.Handler.OnClose(ch, err)
}

// ended is how connections and channels have ended so far, in that order each.
func (h *probe) ended() (conns, channels []error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ends), slices.Clone(h.closes)
}

// rawServer is an engine that serves a probe, with a witness: a connection opened before all others, which
// must not notice what they do.
type rawServer struct {
	t       *testing.T
	engine  *engine.Engine
	app     *probe
	addr    string
	witness *rawPeer
	echoes  int
	before  usage
	beside  bool // other servers are under test at the same time, so what the process holds says nothing
}

// usage is what a process holds.
type usage struct {
	fds, goroutines int
}

// serveRaw starts a server, of a probe unless cfg has a Handler made of one, that is checked for what it has not given
// back when the test is over.
func serveRaw(t *testing.T, cfg engine.Config) *rawServer {
	t.Helper()
	others := goleak.IgnoreCurrent()
	s := &rawServer{t: t}
	if h, ok := cfg.Handler.(interface{ base() *probe }); ok {
		s.app = h.base()
	} else {
		s.app = new(probe)
		cfg.Handler = s.app
	}
	s.app.Handler = builtin.New()
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	var err error
	if s.engine, err = engine.Start(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.engine.Close()
		if !t.Failed() {
			goleak.VerifyNone(t, others)
		}
	})
	addr, err := s.engine.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = addr.String()
	s.witness = dialRaw(t, s.addr)
	s.witness.play(`
		> OPEN 1 target=witness
		< ACK 1`)
	s.witness.pongs = true
	s.witness.echo(1, "before")
	s.before = used(t)
	return s
}

// dial connects a peer that misbehaves, while there is nobody but the witness. What is used then is what
// must be used in the end.
func (s *rawServer) dial(t *testing.T) *rawPeer {
	t.Helper()
	s.before = used(t)
	return dialRaw(t, s.addr)
}

// survives is that only the witness's connection is left, nothing is held for others, and the witness is
// served as ever.
func (s *rawServer) survives(t *testing.T) {
	t.Helper()
	settles(t, "connections", func() int { return s.engine.Stats().Conns }, 1)
	settles(t, "channels", func() int { return s.engine.Stats().Channels }, 1)
	s.witnessed(t)
	if !s.beside {
		s.before.again(t)
	}
}

// witnessed is that the witness is served.
func (s *rawServer) witnessed(t *testing.T) {
	t.Helper()
	s.echoes++
	s.witness.t = t
	s.witness.echo(1, fmt.Sprintf("witness %d", s.echoes))
}

// reached is what has reached the application since the server started, from others than the witness.
func (s *rawServer) reached() (opens, bytes int) {
	return int(s.app.opens.Load()), int(s.app.bytes.Load())
}

// used is what this process holds now.
func used(t testing.TB) usage {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return usage{len(fds), runtime.NumGoroutine()}
}

// again is that the process holds no more than it did.
func (u usage) again(t testing.TB) {
	t.Helper()
	settlesBelow(t, "descriptors", func() int { return used(t).fds }, u.fds)
	eventually(t, func() (bool, string) {
		n := used(t).goroutines
		if n <= u.goroutines {
			return true, ""
		}
		stacks := make([]byte, 64<<10)
		return false, fmt.Sprintf("goroutines: %d, want at most %d:\n%s", n, u.goroutines,
			stacks[:runtime.Stack(stacks, true)])
	})
}

// heapInUse is the heap that is used after a collection, pools emptied.
func heapInUse() int {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse)
}

//go:build linux

package engine_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// TestExtendedFrames is TestHostileFrames for the extended profile: peers that say HELLO, then misbehave, or are
// at the edge of what is allowed.
func TestExtendedFrames(t *testing.T) {
	playOnServers(t, engine.Config{Compression: true}, []chapter{
		{"hello", hello()},
		{"fin", fin},
		{"priority", priority},
		{"header CRC", headerCRC},
		{"windows", connWindows},
		{"zlib", zips()},
	})
}

// greeting is how extended stories begin: all features are offered.
const greeting = "> HELLO features=15\n< PONG 0 HELLO\n"

// hello has first frames, good ones and bad ones.
func hello() (out []story) {
	for _, c := range []struct{ name, params string }{
		{"a parameter cut short", `"\x01\x00\x04\x00\x01"`},
		{"a parameter without a length", `"\x01"`},
		{"a parameter twice", "features=1 features=1"},
		{"an unknown one twice", `"\x63\x00\x00\x63\x00\x00"`},
		{"a number of three bytes", `"\x04\x00\x03\x00\x00\x00"`},
		{"a number of five bytes", `"\x05\x00\x05\x00\x00\x00\x00\x00"`},
		{"frames of 4,095 bytes", "frame=4095"},
		{"frames of 1,048,577 bytes", "frame=1048577"},
		{"a window of 2^31", "window=2147483648"},
		{"a window of the connection of 1", "connwindow=1"},
		{"a window of the connection of 65,535", "connwindow=65535"},
		{"a window of the connection of 2^31", "connwindow=2147483648"},
		{"credentials of 1,025 bytes", `"\x06\x04\x01" *1025`},
		{"software of 65 bytes", `"\x07\x00\x41" *65`},
		{"software that is no UTF-8", `"\x07\x00\x02\xc3\x28"`},
	} {
		out = append(out, story{name: c.name, script: "> HELLO " + c.params + "\n! PROTOCOL"})
	}
	for _, c := range []struct{ name, params string }{
		{"no parameters", ""},
		{"unknown parameters", `"\x63\x00\x00\x64\x00\x03abc" features=0xffffffff`},
		{"the least of everything", "frame=4096 window=0 connwindow=0 features=0 channels=0 credentials= software="},
		{"the most of everything", `frame=1048576 window=2147483647 connwindow=2147483647 features=15
			channels=4294967295 "\x06\x04\x00" *1024 "\x07\x00\x40" *64`},
	} {
		params := strings.Join(strings.Fields(c.params), " ")
		out = append(out, story{name: c.name, script: "> HELLO " + params + "\n< PONG 0 HELLO\nalive"})
	}
	return append(out, hellos...)
}

var hellos = []story{
	{name: "a second HELLO is a PING", script: greeting + `
		> PING 0 0 "SSC?"
		< PONG 0 "\x00\x00\x00\x00SSC?"
		alive`},
	{name: "a late HELLO is a PING, and changes nothing", opens: 1, bytes: 1, script: `
		> OPEN 1
		< ACK 1
		> PING 0 0 "SSC?" features=15
		< PONG 0 "\x00\x00\x00\x00SSC?\x04\x00\x04\x00\x00\x00\x0f"
		> DATA 1 "x"
		< DATA 1 "x"
		> DATA 1 flags 0x02 "y"
		! UNSUPPORTED`},
	{name: "a late HELLO that is malformed is a PING", script: `
		> PING 0 "first"
		< PONG 0 "first"
		> PING 0 0 "SSC?" "\x01"
		< PONG 0 "\x00\x00\x00\x00SSC?\x01"
		alive`},
	{name: "what is almost HELLO is none", script: `
		> PING 0 1 "SSC?"
		< PONG 0 "\x00\x00\x00\x01SSC?"
		> PRIORITY 1 "\x03"
		! UNSUPPORTED`},
	{name: "the answer to HELLO is none", script: `
		> PONG 0 0 "SSC!"
		alive`},
	{name: "HELLO of 2,048 bytes is the first PING only", script: greeting + `
		head PING 0 257
		! FRAME_SIZE`},
	{name: "an open and a window of data right behind HELLO", opens: 1, bytes: 65536, script: `
		pongs
		> HELLO features=15; OPEN 1 target=discard; DATA 1 *65536
		< PONG 0 HELLO
		< ACK 1
		alive`},
	{name: "its echo", opens: 1, bytes: 5, script: `
		> HELLO features=15; OPEN 1; DATA 1 "early"
		< PONG 0 HELLO
		< ACK 1
		< DATA 1 "early"
		alive`},
	{name: "frames longer than the server takes", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		head DATA 1 65537
		! FRAME_SIZE`},
	{name: "types that nobody knows", script: greeting + `
		> type10 0
		! UNSUPPORTED`},
	{name: "the flags of nothing", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		> DATA 1 flags 0x08 "x"
		! UNSUPPORTED`},
	{name: "FIN on what is no DATA", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		> CLOSE 1 flags 0x02
		! UNSUPPORTED`},
	{name: "no channels are allowed to the server", opens: 1, script: `
		> HELLO channels=0; OPEN 1 target=callback
		< PONG 0 HELLO
		< ACK 1
		alive`},
	{name: "one channel is allowed to the server", opens: 2, bytes: 2, script: `
		> HELLO channels=1; OPEN 1 target=callback
		< PONG 0 HELLO
		< ACK 1
		< OPEN 2
		> ACK 2; DATA 2 "hi"
		< DATA 2 "hi"
		> OPEN 3 target=callback
		< ACK 3
		alive`},
	{name: "metadata in ACK, and what is none", opens: 1, bytes: 4, script: greeting + `
		> OPEN 1 target=callback
		< ACK 1
		< OPEN 2
		> ACK 2 "\x04\x00\x02ok"; DATA 2 "hi"
		< DATA 2 "hi"
		> ACK 2 "none"; DATA 2 "ho"
		< DATA 2 "ho"
		alive`},
}

var fin = []story{
	{name: "both directions end, and so the channel, without CLOSE", opens: 1, bytes: 4, script: greeting + `
		> OPEN 1; DATA 1 "last"
		< ACK 1
		< DATA 1 "last"
		> DATA 1 flags 0x02
		< DATA 1 flags 0x02
		alive`},
	{name: "FIN with the last bytes", opens: 1, bytes: 4, script: greeting + `
		> OPEN 1; DATA 1 flags 0x02 "last"
		< ACK 1
		< DATA 1 flags 0x02 "last"
		alive
		> CLOSE 1; DATA 1 "late"; FLOW_CONTROL 1 0; ACK 1; ERROR 1 CANCELLED; PRIORITY 1 "\x03"
		alive`},
	{name: "FIN on empty DATA at window 0", opens: 1, bytes: 65536, script: greeting + `
		> OPEN 1 target=hold; DATA 1 *65536; DATA 1 flags 0x02
		< ACK 1
		< DATA 1 flags 0x02
		alive`},
	{name: "FIN with a byte beyond the window", opens: 1, bytes: 65536, script: greeting + `
		> OPEN 1 target=hold; DATA 1 *65536
		< ACK 1
		> DATA 1 flags 0x02 "x"
		! FLOW_CONTROL`},
	{name: "data behind FIN", opens: 1, bytes: 1, script: greeting + `
		> OPEN 1 target=source:100000 window=0
		< ACK 1
		> DATA 1 flags 0x02 "x"; DATA 1 "y"
		! CLOSED`},
	{name: "empty data behind FIN", opens: 1, script: greeting + `
		> OPEN 1 target=source:100000 window=0
		< ACK 1
		> DATA 1 flags 0x02; DATA 1
		! CLOSED`},
	{name: "FIN twice", opens: 1, script: greeting + `
		> OPEN 1 target=source:100000 window=0
		< ACK 1
		> DATA 1 flags 0x02; DATA 1 flags 0x02
		! CLOSED`},
	{name: "credit, priority and a reset behind FIN", opens: 1, script: greeting + `
		> OPEN 1 target=source:4 window=2
		< ACK 1
		< DATA 1 "\x00\x01"
		> DATA 1 flags 0x02; PRIORITY 1 "\x07"; FLOW_CONTROL 1 1
		< DATA 1 "\x02"
		> ERROR 1 CANCELLED
		alive`},
	{name: "CLOSE behind FIN", opens: 1, script: greeting + `
		> OPEN 1 target=source:4 window=0; DATA 1 flags 0x02
		< ACK 1
		> CLOSE 1
		< ACK 1
		alive`},
	{name: "FIN to a server that closes", opens: 1, script: greeting + `
		> OPEN 1 target=source:1
		< ACK 1
		< DATA 1 "\x00"
		< CLOSE 1
		> DATA 1 flags 0x02; ACK 1
		alive`},
	{name: "data behind FIN to a server that closes", opens: 1, script: greeting + `
		> OPEN 1 target=source:1
		< ACK 1
		< DATA 1 "\x00"
		< CLOSE 1
		> DATA 1 flags 0x02; DATA 1 "x"
		! CLOSED`},
	{name: "FIN from who takes none", opens: 1, bytes: 4, script: `
		> HELLO features=0; OPEN 1; DATA 1 flags 0x02 "last"
		< PONG 0 HELLO
		< ACK 1
		< DATA 1 "last"
		< CLOSE 1
		> ACK 1
		alive`},
	{name: "FIN on a channel that was refused", opens: 1, script: greeting + `
		> OPEN 1 target=nobody; DATA 1 flags 0x02 "x"
		< ERROR 1 REFUSED
		alive`},
	{name: "FIN on an idle channel", script: greeting + `
		> DATA 7 flags 0x02
		! PROTOCOL`},
}

var priority = []story{
	{name: "from the lowest to the highest", opens: 1, bytes: 1, script: greeting + `
		> OPEN 1 "\x01\x00\x01\x05"
		< ACK 1
		> PRIORITY 1 "\x00"; PRIORITY 1 "\x07"; DATA 1 "x"
		< DATA 1 "x"
		alive`},
	{name: "8", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		> PRIORITY 1 "\x08"
		! PROTOCOL`},
	{name: "of two bytes", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		head PRIORITY 1 2
		! FRAME_SIZE`},
	{name: "from the acceptor", opens: 1, script: greeting + `
		> OPEN 1 target=callback
		< ACK 1
		< OPEN 2
		> ACK 2; PRIORITY 2 "\x03"
		! PROTOCOL`},
	{name: "on an idle channel", script: greeting + `
		> PRIORITY 1 "\x03"
		! PROTOCOL`},
	{name: "on channel 0", script: greeting + `
		> PRIORITY 0 "\x03"
		! PROTOCOL`},
	{name: "on a closed channel", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		> CLOSE 1
		< ACK 1
		> PRIORITY 1 "\x03"; PRIORITY 1 "\x08"
		alive`},
}

var headerCRC = []story{
	{name: "the payload is not covered", opens: 1, bytes: 9, script: greeting + `
		> OPEN 1; DATA 1 flags 0x04 "a"; DATA 1 flags 0x04 "file's"; DATA 1 flags 0x06 "en"
		< ACK 1
		< DATA 1 "a"
		< DATA 1 "file's"
		< DATA 1 flags 0x02 "en"
		alive`},
	{name: "the CRC of all of it", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		bytes ` + fmt.Sprintf("%q", codec.Header{Type: codec.Data, Channel: 1, Flags: codec.HeaderCRC}.Append(nil, []byte("x"))) + `
		! CHECKSUM`},
	{name: "a damaged header", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		bytes "SS\x00\x00\x00\x01\x03\x04\x00\x00\x00\x01\x00\x00\x00\x00x"
		! CHECKSUM`},
	{name: "together with COMPRESSED", opens: 1, script: greeting + `
		> OPEN 1
		< ACK 1
		> DATA 1 flags 0x05 ` + zipped([]byte("hello")) + `
		! UNSUPPORTED`},
	{name: "on what is no DATA", script: greeting + `
		> PING 0 flags 0x04 "p"
		! UNSUPPORTED`},
}

var connWindows = []story{
	{name: "a server without credit on the connection", opens: 2, script: `
		> HELLO features=11 connwindow=65536; OPEN 1 target=source:40000; OPEN 3 target=source:40000
		< PONG 0 HELLO
		< ACK 1
		< ACK 3
		< DATA 1 (16384 bytes)
		< DATA 3 (16384 bytes)
		< DATA 1 (16384 bytes)
		< DATA 3 (16384 bytes)
		alive
		> PING 0 "p"; FLOW_CONTROL 0 7232
		< PONG 0 "p"
		< DATA 1 (7232 bytes)
		< CLOSE 1
		alive
		> FLOW_CONTROL 0 7232; ACK 1
		< DATA 3 (7232 bytes)
		< CLOSE 3
		> ACK 3
		alive`},
	{name: "a grant of nothing", script: `
		> HELLO connwindow=65536
		< PONG 0 HELLO
		> FLOW_CONTROL 0 0
		! PROTOCOL`},
	{name: "a grant to a window that is not there", script: greeting + `
		> FLOW_CONTROL 0 4096
		! PROTOCOL`},
	{name: "the largest window there is, and one more", script: `
		> HELLO connwindow=2147483646
		< PONG 0 HELLO
		> FLOW_CONTROL 0 1
		alive
		> FLOW_CONTROL 0 1
		! FLOW_CONTROL`},
	{name: "small grants are charged for, not refused", script: `
		> HELLO connwindow=65536
		< PONG 0 HELLO
		> FLOW_CONTROL 0 1 times 5000
		alive
		> FLOW_CONTROL 0 1 times 8000
		! CALM`},
	{name: "windows of channels that the client opens", opens: 3, script: `
		> HELLO window=10; OPEN 1 target=source:11; OPEN 3 window=0 target=source:1; OPEN 5 window=3 target=source:3
		< PONG 0 HELLO
		< ACK 1
		< ACK 3
		< ACK 5
		< DATA 5 "\x00\x01\x02"
		< CLOSE 5
		< DATA 1 "\x00\x01\x02\x03\x04\x05\x06\a\b\t"
		alive
		> ACK 5; FLOW_CONTROL 3 1; FLOW_CONTROL 1 1
		< DATA 3 "\x00"
		< CLOSE 3
		< DATA 1 "\n"
		< CLOSE 1`},
}

// zips has payloads that are compressed: cases ZIP-01 to ZIP-15 of a conformance suite, but for those that need
// more than a story.
func zips() (out []story) {
	const open = greeting + "> OPEN 1 target=discard\n< ACK 1\n"
	text := bytes.Repeat([]byte("all work and no play "), 50)
	whole := deflate(text, zlib.BestCompression)
	for name, payload := range map[string][]byte{
		"corrupt bits":               flip(whole, len(whole)/2),
		"a wrong Adler-32":           flip(whole, len(whole)-1),
		"a stream cut short":         whole[:len(whole)-5],
		"no Adler-32":                whole[:len(whole)-4],
		"a byte behind the stream":   append(bytes.Clone(whole), 0),
		"two streams":                append(bytes.Clone(whole), whole...),
		"a preset dictionary":        {0x78, 0xbb, 1, 2, 3, 4, 3, 0, 0, 0, 0, 1},
		"no zlib stream":             []byte("all work and no play"),
		"nothing at all":             {},
		"a thousand times as much":   deflate(make([]byte, 60<<20), zlib.BestCompression),
		"a byte more than one frame": deflate(make([]byte, 65537), zlib.BestCompression),
	} {
		out = append(out, story{name: name, opens: 1, script: open + fmt.Sprintf("> DATA 1 flags 0x01 %q\n! COMPRESSION", payload)})
	}
	return append(out,
		story{name: "its echo is compressed as well", opens: 1, bytes: 1050, script: greeting + `
			> OPEN 1
			< ACK 1
			> DATA 1 flags 0x01 ` + zipped(text) + `
			< DATA 1 flags 0x01 (1050 bytes)
			alive`},
		story{name: "to who takes none, it is not", opens: 1, bytes: 1050, script: `
			> HELLO features=11; OPEN 1; DATA 1 flags 0x01 ` + zipped(text) + `
			< PONG 0 HELLO
			< ACK 1
			< DATA 1 (1050 bytes)
			alive`},
		story{name: "an empty stream", opens: 1, script: open + `
			> DATA 1 flags 0x01 ` + zipped(nil) + `
			alive`},
		story{name: "stored blocks", opens: 1, bytes: 1050, script: open + `
			> DATA 1 flags 0x01 ` + fmt.Sprintf("%q", deflate(text, zlib.NoCompression)) + `
			alive`},
		story{name: "compressed and plain ones by turns", opens: 1, bytes: 9, script: greeting + `
			> OPEN 1
			< ACK 1
			> DATA 1 "a"; DATA 1 flags 0x01 ` + zipped([]byte("bcd")) + `; DATA 1 "ef"; DATA 1 flags 0x01 ` + zipped([]byte("ghi")) + `
			< DATA 1 "a"
			< DATA 1 "bcd"
			< DATA 1 "ef"
			< DATA 1 "ghi"
			alive`},
		story{name: "the last bytes", opens: 1, bytes: 3, script: greeting + `
			> OPEN 1; DATA 1 flags 0x03 ` + zipped([]byte("end")) + `
			< ACK 1
			< DATA 1 flags 0x02 "end"
			alive`},
		story{name: "the window is that of the inflated bytes", opens: 1, bytes: 65536, script: greeting + `
			> OPEN 1 target=hold; DATA 1 flags 0x01 ` + zipped(make([]byte, 65000)) + `
			< ACK 1
			> DATA 1 flags 0x01 ` + zipped(make([]byte, 536)) + `
			alive
			> DATA 1 flags 0x01 ` + zipped([]byte("x")) + `
			! COMPRESSION`},
		story{name: "late ones count inflated", opens: 1, script: greeting + `
			> OPEN 1
			< ACK 1
			> CLOSE 1
			< ACK 1
			> DATA 1 flags 0x01 ` + zipped(make([]byte, 65535)) + `; DATA 1 flags 0x01 ` + zipped([]byte("x")) + `
			alive
			> DATA 1 flags 0x01 ` + zipped([]byte("x")) + `
			! CALM`},
		story{name: "late ones that are damaged", opens: 1, script: greeting + `
			> OPEN 1
			< ACK 1
			> CLOSE 1
			< ACK 1
			> DATA 1 flags 0x01 "x"
			! COMPRESSION`},
	)
}

// flip returns a copy of b with one bit of byte i wrong.
func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// TestZlibIsOffered: a server that did not offer zlib takes none, extended or base.
func TestZlibIsOffered(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		serveRaw(t, engine.Config{Backend: b}).play(t, []story{
			{name: "extended", opens: 1, script: greeting + `
				> OPEN 1
				< ACK 1
				> DATA 1 flags 0x01 ` + zipped([]byte("hello")) + `
				! UNSUPPORTED`},
			{name: "base", opens: 1, script: `
				> OPEN 1
				< ACK 1
				> DATA 1 flags 0x01 ` + zipped([]byte("hello")) + `
				! UNSUPPORTED`},
		})
	})
}

// TestGrantsCountInflated: what is granted back is what was inflated.
func TestGrantsCountInflated(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		s := serveRaw(t, engine.Config{Backend: b, Compression: true, MaxWindow: 65536})
		p := s.dial(t)
		p.play("pongs\n" + greeting + "> OPEN 1 target=discard\n< ACK 1\n> DATA 1 flags 0x01 " + zipped(make([]byte, 40_000)) + "\nalive")
		eventually(t, func() (bool, string) {
			p.wantAlive()
			return p.granted[1] == 40_000, fmt.Sprintf("%d bytes are granted", p.granted[1])
		})
	})
}

// TestConnectionWindowOfTheServer: whatever becomes of data, the server grants it back on the connection; more than
// it grants is an error.
func TestConnectionWindowOfTheServer(t *testing.T) {
	const window = 65536
	for _, c := range []struct {
		name, open string
		want       []string
		data       string // sent again and again
	}{
		{"a channel that is read", "OPEN 1 target=discard", []string{"ACK 1"}, "DATA 1 *8192"},
		{"channels that are refused", "", nil, "OPEN %d target=nobody; DATA %[1]d *8192"},
		{"channels that are closed", "", nil, "OPEN %d; CLOSE %[1]d; DATA %[1]d *8192"},
		{"channels that are reset", "", nil, "OPEN %d; ERROR %[1]d CANCELLED; DATA %[1]d *8192"},
		{"channels that are not read", "", nil, "OPEN %d target=hold; DATA %[1]d *8192"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				s := serveRaw(t, engine.Config{Backend: b, ConnWindow: window, MaxWindow: 16 << 10})
				p := s.dial(t)
				p.play("pongs\n" + greeting)
				if c.open != "" {
					p.send(c.open)
					p.want(c.want...)
				}
				sent := 0
				for i := range 64 {
					frame := c.data
					if strings.Contains(frame, "%") {
						frame = fmt.Sprintf(frame, 2*i+1)
					}
					p.send(strings.Split(frame, "; ")...)
					sent += 8192
					for sent+8192 > window+p.granted[0] || c.open != "" && sent+8192 > startWindow+p.granted[1] {
						p.catchUp()
					}
				}
				p.conn.Close()
				s.survives(t)
			})
		})
	}
}

// catchUp reads what has come, until a PING is answered.
func (p *rawPeer) catchUp() {
	p.t.Helper()
	p.pings++
	text := fmt.Sprintf(`0 "read %d"`, p.pings)
	p.send("PING " + text)
	for {
		f, err := p.next(patience)
		if err != nil {
			p.fatalf("%v", err)
		}
		if show(f) == "PONG "+text {
			return
		}
	}
}

// TestOpenCrossingGoAway: the server shuts down while the client opens a channel. What it serves goes on; the rest is
// refused, and nothing of it reaches the application.
func TestOpenCrossingGoAway(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		app := &probe{Handler: builtin.New()}
		e := startEngine(t, engine.Config{Backend: b, Handler: app})
		addr, err := e.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := dialRaw(t, addr.String())
		p.play(greeting + `
			> OPEN 1
			< ACK 1`)
		down := make(chan error, 1)
		go func() { down <- e.Shutdown(soon(t)) }()
		f, err := p.next(patience)
		if err != nil || f.Type != codec.Error || f.Channel != 0 || !bytes.HasPrefix(f.Payload, []byte("\x00\x00\x00\x00\x00\x00\x00\x01")) {
			t.Fatalf("instead of GOAWAY for all above channel 1: %s %x", came(f, err), f.Payload)
		}
		p.play(`
			> OPEN 3; DATA 3 *65536; OPEN 5; DATA 3 flags 0x02
			< ERROR 3 REFUSED
			< ERROR 5 REFUSED
			> DATA 1 "on"
			< DATA 1 "on"
			> DATA 1 flags 0x02
			< DATA 1 flags 0x02
			closed`)
		p.conn.Close()
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if n := app.opens.Load(); n != 1 {
			t.Errorf("%d channels reached the application", n)
		}
	})
}

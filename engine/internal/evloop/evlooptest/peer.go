//go:build linux

package evlooptest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// Peer is the other end of a connection: a test that writes and reads frames.
type Peer struct {
	NC net.Conn
	R  *bufio.Reader

	t testing.TB
}

// NewPeer speaks over the socket fd, which is the peer's from now on.
func NewPeer(t testing.TB, fd int) *Peer {
	t.Helper()
	f := os.NewFile(uintptr(fd), "peer")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return OfConn(t, nc)
}

// OfConn speaks over nc, and closes it when the test is over.
func OfConn(t testing.TB, nc net.Conn) *Peer {
	nc.SetDeadline(time.Now().Add(2 * Patience))
	p := &Peer{NC: nc, R: bufio.NewReaderSize(nc, 64<<10), t: t}
	t.Cleanup(p.Close)
	return p
}

// Close closes the connection.
func (p *Peer) Close() { p.NC.Close() }

// CloseWrite ends the peer's direction.
func (p *Peer) CloseWrite() { p.NC.(interface{ CloseWrite() error }).CloseWrite() }

// Say writes frames, in one go.
func (p *Peer) Say(frames ...[]byte) {
	p.t.Helper()
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	if _, err := p.NC.Write(all); err != nil {
		p.t.Fatal(err)
	}
}

// Read returns the next frame: its type and channel, and its payload.
func (p *Peer) Read() (kind string, payload []byte, err error) { return ReadFrame(p.R) }

// ReadFrame returns the next frame of r: its type and channel, and its payload.
func ReadFrame(r io.Reader) (kind string, payload []byte, err error) {
	var head [codec.HeaderSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", nil, err
	}
	payload = make([]byte, binary.BigEndian.Uint32(head[8:]))
	if _, err := io.ReadFull(r, payload); err != nil {
		return "", nil, err
	}
	covered := payload
	if codec.Flags(head[7])&codec.HeaderCRC != 0 {
		covered = nil
	}
	if codec.CRC(head[:12], covered) != binary.BigEndian.Uint32(head[12:]) {
		return "", nil, fmt.Errorf("a frame of %d bytes has a wrong CRC", len(payload))
	}
	return fmt.Sprintf("%v %d", codec.Type(head[6]), binary.BigEndian.Uint32(head[2:])), payload, nil
}

// Want reads a frame and checks what it is.
func (p *Peer) Want(kind string) []byte {
	p.t.Helper()
	got, payload, err := p.Read()
	if err != nil || got != kind {
		p.t.Fatalf("%s (%v) comes, want %s", got, err, kind)
	}
	return payload
}

// Ask sends a message on channel 1 and waits for its echo.
func (p *Peer) Ask(msg string) {
	p.t.Helper()
	p.Say(Frame(codec.Data, 1, []byte(msg)))
	for {
		kind, payload, err := p.Read()
		switch {
		case err != nil:
			p.t.Fatalf("%s: %v", msg, err)
		case kind == "FLOW_CONTROL 1":
		case kind == "DATA 1" && string(payload) == msg:
			return
		default:
			p.t.Fatalf("%s %q comes back, want DATA 1 %q", kind, payload, msg)
		}
	}
}

// WantEnd reads until the connection ends.
func (p *Peer) WantEnd() {
	p.t.Helper()
	for {
		if _, _, err := p.Read(); err == io.EOF {
			return
		} else if err != nil {
			p.t.Fatalf("want the end: %v", err)
		}
	}
}

// Frame is a frame.
func Frame(t codec.Type, channel uint32, payload []byte) []byte {
	return codec.Header{Type: t, Channel: channel}.Append(nil, payload)
}

// Hello is HELLO of a client that takes these features, and DATA of frame bytes.
func Hello(f codec.Features, frame uint32) []byte {
	p := []byte("\x00\x00\x00\x00SSC?")
	p = codec.AppendParam(p, codec.HelloFrame, binary.BigEndian.AppendUint32(nil, frame))
	p = codec.AppendParam(p, codec.HelloFeatures, binary.BigEndian.AppendUint32(nil, uint32(f)))
	return Frame(codec.Ping, 0, p)
}

// Grant is FLOW_CONTROL for n bytes.
func Grant(channel, n uint32) []byte {
	return Frame(codec.FlowControl, channel, binary.BigEndian.AppendUint32(nil, n))
}

// Opens is OPEN for n channels: 1, 3, 5 and so on.
func Opens(n int) (all []byte) {
	for i := range n {
		all = append(all, Frame(codec.Open, uint32(2*i+1), nil)...)
	}
	return all
}

// Grants is Grant for each channel of Opens.
func Grants(channels int, n uint32) (all []byte) {
	for i := range channels {
		all = append(all, Grant(uint32(2*i+1), n)...)
	}
	return all
}

// Pattern is n bytes of a long stream, of which they are those from a number on.
func Pattern(n, from int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((from + i) ^ (from+i)>>8 ^ (from+i)>>16)
	}
	return p
}

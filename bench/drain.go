package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/sscd-io/sscd/codec"
)

const (
	// drainRead is how much a drain reads at once, in bytes.
	drainRead = 256 << 10

	// drainWindow is the receive window of a drain's channels, in bytes; half of it is granted at a time.
	drainWindow = 256 << 20

	// drainFrame is the longest payload of DATA that a drain takes, in bytes.
	drainFrame = 1 << 20

	// drainTells is after how many bytes a drain counts them, if more lie there.
	drainTells = 64 << 10
)

// drain is the client's end of a connection where the server is to be measured and nothing else: it speaks the
// extended profile with what features it is told to, checks no CRC, and drops the payloads of DATA unread.
type drain struct {
	run   *run
	conn  net.Conn
	in    *bufio.Reader
	asked []byte            // HELLO, until it is sent
	owed  []int             // bytes that came on each channel and were not granted back; its number is 2i+1
	came  func(bytes int64) // called when some were counted, with all there are; may be nil
	bytes int64             // not counted yet, and so on
	data  int64
}

// newDrain makes a connection for that many channels.
func newDrain(ctx context.Context, r *run, channels int, f codec.Features) (*drain, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.o.Addr)
	if err != nil {
		return nil, err
	}
	p := codec.AppendParam([]byte("\x00\x00\x00\x00SSC?"), codec.HelloWindow,
		binary.BigEndian.AppendUint32(nil, drainWindow))
	p = codec.AppendParam(p, codec.HelloFrame, binary.BigEndian.AppendUint32(nil, drainFrame))
	p = codec.AppendParam(p, codec.HelloFeatures, binary.BigEndian.AppendUint32(nil, uint32(f)))
	return &drain{
		run: r, conn: conn, in: bufio.NewReaderSize(conn, drainRead), owed: make([]int, channels),
		asked: codec.Header{Type: codec.Ping}.Append(nil, p),
	}, nil
}

// open begins to read, and opens the channels; target says what each is for.
func (d *drain) open(target func(i int) string) error {
	go func() {
		if err := d.read(); !d.run.stopped.Load() {
			d.run.lose(fmt.Errorf("a connection ended: %w", err))
		}
	}()
	b := d.asked
	for i := range d.owed {
		h := codec.Header{Channel: uint32(2*i + 1), Type: codec.Open}
		b = h.Append(b, codec.AppendParam(nil, codec.ParamTarget, []byte(target(i))))
	}
	_, err := d.conn.Write(b)
	return err
}

// say sends a frame.
func (d *drain) say(channel uint32, t codec.Type, payload []byte) error {
	_, err := d.conn.Write(codec.Header{Channel: channel, Type: t}.Append(nil, payload))
	return err
}

// read reads until the connection ends, and returns why.
func (d *drain) read() error {
	for {
		if d.bytes >= drainTells || d.in.Buffered() < codec.HeaderSize {
			d.count()
		}
		head, err := d.in.Peek(codec.HeaderSize)
		if err != nil {
			return err
		}
		channel, t := binary.BigEndian.Uint32(head[2:]), codec.Type(head[6])
		n := int(binary.BigEndian.Uint32(head[8:]))
		switch t {
		case codec.Data:
			d.bytes += int64(n)
			d.data++
			err = d.grant(channel, n)
		case codec.Ack:
			d.run.opened.Add(1)
		case codec.Ping, codec.Error:
			err = d.answer(channel, t, n)
		}
		if err != nil {
			return err
		}
		if _, err := d.in.Discard(codec.HeaderSize + n); err != nil {
			return err
		}
	}
}

// count tells the run what came.
func (d *drain) count() {
	if d.data == 0 {
		return
	}
	d.run.messages.Add(d.data)
	all := d.run.bytes.Add(d.bytes)
	if d.bytes, d.data = 0, 0; d.came != nil {
		d.came(all)
	}
}

// grant gives window back for n bytes that come on a channel.
func (d *drain) grant(channel uint32, n int) error {
	owed := &d.owed[channel/2]
	if *owed += n; *owed < drainWindow/2 {
		return nil
	}
	p := binary.BigEndian.AppendUint32(nil, uint32(*owed))
	*owed = 0
	return d.say(channel, codec.FlowControl, p)
}

// answer answers a PING of n bytes, and returns an ERROR as one.
func (d *drain) answer(channel uint32, t codec.Type, n int) error {
	frame, err := d.in.Peek(codec.HeaderSize + n)
	if err != nil {
		return err
	}
	p := frame[codec.HeaderSize:]
	if t == codec.Ping {
		return d.say(channel, codec.Pong, p)
	}
	code := codec.Code(0)
	if n >= 4 {
		code = codec.Code(binary.BigEndian.Uint32(p))
	}
	return fmt.Errorf("ERROR on channel %d: %v", channel, code)
}

// raw reads a connection that carries no frames until it ends, and returns why.
func (d *drain) raw() error {
	for {
		n, err := d.in.Discard(drainTells)
		d.run.bytes.Add(int64(n))
		if err != nil {
			return err
		}
	}
}

// drainMark is mark where drains are what this side has.
func (r *run) drainMark(server *Server) (m mark, err error) {
	if m.server, err = usageOf(server); err != nil {
		return m, err
	}
	if m.client, err = OwnUsage(); err != nil {
		return m, err
	}
	m.at, m.messages, m.bytes = time.Now(), r.messages.Load(), r.bytes.Load()
	return m, nil
}

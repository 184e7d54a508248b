//go:build linux

package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// watchMemory is that an engine never uses more memory than it may, from now until the test is over, and none when its
// connections have ended.
func watchMemory(t *testing.T, limit int64, stats func() engine.Stats) {
	t.Helper()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			if used := stats().Memory; used < 0 || used > limit+4096 {
				t.Errorf("%d bytes of %d are in use", used, limit)
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		watching.Wait()
		settles(t, "connections", func() int { return stats().Conns }, 0)
		settles(t, "memory when all has ended", func() int64 { return stats().Memory }, 0)
	})
}

// Streams whose peer takes nothing use up the memory of their connection, or of the engine. Then writes wait, and
// those on a stream that is read go on.
func TestWritersOfWhatNobodyTakes(t *testing.T) {
	const limit, streams = 512 << 10, 40
	for name, cfg := range map[string]engine.Config{"ConnMemory": {ConnMemory: limit}, "Memory": {Memory: limit}} {
		t.Run(name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				cfg.Backend, cfg.Logger = b, quiet
				l, err := engine.Listen("127.0.0.1:0", cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				watchMemory(t, limit, l.Stats)
				client, err := engine.Dial(soon(t), l.Addr().String(), engine.Config{Logger: quiet})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				server := acceptSession(t, l)
				ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
				var stuck []*engine.Stream
				for range streams {
					openStream(t, client, engine.OpenOptions{Window: 1}) // nobody reads it
					stuck = append(stuck, acceptStream(t, server))
				}
				var writing sync.WaitGroup
				for _, st := range stuck {
					writing.Go(func() {
						n, err := st.Write(make([]byte, 1<<20))
						if !errors.Is(err, engine.ErrClosed) || n > 200_000 {
							t.Errorf("%d bytes are taken of what nobody reads, then %v", n, err)
						}
					})
				}
				settlesAbove(t, "writes that wait", func() uint64 { return l.Stats().SendsBlocked }, streams-1)

				wrote := make(chan error, 1)
				text := bytes.Repeat([]byte("on and on "), 30_000)
				go func() {
					_, err := theirs.Write(text)
					wrote <- errors.Join(err, theirs.Close())
				}()
				if got, err := io.ReadAll(ours); err != nil || !bytes.Equal(got, text) {
					t.Errorf("%d bytes of %d go by, then %v", len(got), len(text), err)
				}
				if err := <-wrote; err != nil {
					t.Error(err)
				}
				for _, st := range stuck {
					st.Close()
				}
				writing.Wait()
			})
		})
	}
}

// settlesAbove is that a figure becomes more than a limit.
func settlesAbove(t testing.TB, what string, figure func() uint64, limit uint64) {
	t.Helper()
	eventually(t, func() (bool, string) {
		got := figure()
		return got > limit, fmt.Sprintf("%s: %d, want more than %d", what, got, limit)
	})
}

// Streams that get what nobody reads are reset when memory is short; one that is read as it comes gets all.
func TestStreamsNobodyReads(t *testing.T) {
	const limit, streams = 1 << 20, 100
	for name, cfg := range map[string]engine.Config{"ConnMemory": {ConnMemory: limit}, "Memory": {Memory: limit}} {
		t.Run(name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				cfg.Backend, cfg.Logger = b, quiet
				l, err := engine.Listen("127.0.0.1:0", cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				watchMemory(t, limit, l.Stats)
				client, err := engine.Dial(soon(t), l.Addr().String(), engine.Config{Logger: quiet})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				server := acceptSession(t, l)
				read, reader := streamPair(t, client, server, engine.OpenOptions{})
				var unread []*engine.Stream
				for range streams {
					st, err := client.Open(soon(t), engine.OpenOptions{})
					var refused *engine.ChannelError
					if errors.As(err, &refused) && refused.Code == engine.Refused {
						break // so little is left
					}
					if err != nil {
						t.Fatal(err)
					}
					unread = append(unread, acceptStream(t, server))
					st.Write(make([]byte, startWindow))
				}
				piece := make([]byte, 16<<10) // which needs no memory that others may have
				for range 100 {
					if _, err := read.Write(piece); err != nil {
						t.Fatal("writing what is read:", err)
					}
					if _, err := io.ReadFull(reader, piece); err != nil {
						t.Fatal("reading:", err)
					}
				}
				settlesAbove(t, "streams reset, opens refused", func() uint64 { return l.Stats().StreamsOverfull + l.Stats().OpensScarce }, 0)
				reset := uint64(0)
				for _, st := range unread {
					n, err := io.ReadFull(st, make([]byte, startWindow))
					var ce *engine.ChannelError
					if errors.As(err, &ce) && ce.Code == engine.Calm && !ce.Remote && n == 0 {
						reset++
					} else if err != nil {
						t.Errorf("%d bytes, then %v", n, err)
					}
					st.Close()
				}
				if n := l.Stats().StreamsOverfull; n != reset {
					t.Errorf("%d streams were reset, %d say so", n, reset)
				}
				settles(t, "resets the client knows of", func() uint64 { return client.Stats().ErrorsReceived[engine.Calm] }, reset)
				reader.Close()
			})
		})
	}
}

// presser is an application that is told of pressure.
type presser struct {
	minimal
	pressure chan bool
	writable chan engine.Channel
}

func newPresser() presser {
	return presser{newMinimal(), make(chan bool, 100), make(chan engine.Channel, 1000)}
}

func (h presser) OnPressure(_ *engine.Conn, high bool) { h.pressure <- high }
func (h presser) OnWritable(ch engine.Channel)         { h.writable <- ch }
func (h presser) OnClose(engine.Channel, error)        {}

// A connection that hoards is told, before it can send no more, and again when it is well; opens are refused while
// memory is scarce. A message that found no memory though nothing was queued is asked for again.
func TestPressure(t *testing.T) {
	const limit = 1 << 20
	for name, hello := range map[string]string{"extended": "> HELLO\n< PONG 0 HELLO\n", "base": "> PING 0\n< PONG 0\n"} {
		t.Run(name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, b engine.Backend) {
				app := newPresser()
				e := startEngine(t, engine.Config{Backend: b, Handler: app, ConnMemory: limit, SendQueue: 64 << 10})
				watchMemory(t, limit, e.Stats)
				addr, err := e.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				p := dialRaw(t, addr.String())
				p.play(hello)
				var channels []engine.Channel
				opened := 0
				open := func() {
					t.Helper()
					opened++
					p.play(fmt.Sprintf("> OPEN %d\n< ACK %[1]d", 2*opened-1))
					channels = append(channels, took(t, "the open", app.opens))
				}
				use := func(ch engine.Channel) { // up its window
					t.Helper()
					if err := ch.Send(make([]byte, startWindow)); err != nil {
						t.Fatal(err)
					}
					for n := 0; n < startWindow; {
						n += firstData(p)
					}
				}
				open()
				starved := channels[0]
				for range 12 {
					open()
					ch := channels[len(channels)-1]
					use(ch)
					if err := ch.Send(make([]byte, 70_000)); err != nil {
						t.Fatalf("sending on channel %d: %v", len(channels), err)
					}
				}
				if !took(t, "OnPressure", app.pressure) {
					t.Error("pressure begins with its end")
				}
				// Beyond the limit a message is turned away that waits for nothing of its own channel.
				if err := starved.Send(make([]byte, 2*limit)); !errors.Is(err, engine.ErrWouldBlock) {
					t.Error("a message larger than all memory:", err)
				}
				if err := starved.Send(make([]byte, 4<<10)); err != nil {
					t.Error("a short message:", err)
				}
				if n := firstData(p); n != 4<<10 {
					t.Errorf("%d bytes of it came", n)
				}
				if got := took(t, "OnWritable", app.writable); got != starved {
					t.Error("it is another channel's")
				}
				for ch := channels[1]; ch.Send(make([]byte, 1000)) == nil; {
				}
				if n := e.Stats().SendsBlocked; n < 2 {
					t.Errorf("%d sends were turned away", n)
				}
				// An open finds little.
				for e.Stats().Memory < limit-limit/8 {
					open()
					ch := channels[len(channels)-1]
					use(ch)
					if ch.Send(make([]byte, 30_000)) != nil {
						break
					}
				}
				p.catchUp()
				opened++
				p.play(fmt.Sprintf("> OPEN %d\n< ERROR %[1]d REFUSED", 2*opened-1))
				if s := e.Stats(); s.OpensScarce != 1 || s.ChannelsRefused != 1 {
					t.Errorf("stats %+v", s)
				}
				// When the peer takes some there is room again.
				for i := 1; i < 10; i++ {
					p.send(fmt.Sprintf("ERROR %d CANCELLED", 2*i+1))
				}
				if took(t, "OnPressure", app.pressure) {
					t.Error("pressure begins twice")
				}
				p.play(fmt.Sprintf("pongs\n> OPEN %d\n< ACK %[1]d\nalive", 2*opened+1))
				p.conn.Close()
			})
		})
	}
}

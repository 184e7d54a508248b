package claims

import (
	"context"
	"errors"
	"time"

	"github.com/sscd-io/sscd/bench"
	"github.com/sscd-io/sscd/engine"
)

// patience is how long conversations may take to begin.
const patience = time.Minute

// beginner is the Handler of a client whose channels each have one message echoed.
type beginner struct {
	message []byte
	echoed  chan struct{} // once for each channel
	ended   chan error
}

func (b *beginner) OnOpen(engine.Channel, engine.OpenRequest) engine.Answer {
	return engine.Answer{Code: engine.Refused}
}

func (b *beginner) OnWritable(ch engine.Channel) {
	if sent := ch.Context().(*int); *sent == 0 && ch.Send(b.message) == nil {
		*sent = len(b.message)
	}
}

func (b *beginner) OnData(ch engine.Channel, p []byte) {
	left := ch.Context().(*int)
	if *left -= len(p); *left == 0 {
		b.echoed <- struct{}{}
	}
}

func (b *beginner) OnClose(_ engine.Channel, err error) {
	select {
	case b.ended <- errors.Join(errors.New("a channel ended"), err):
	default:
	}
}

// openOurs makes a connection with channels, each of which has had a message echoed, and returns what ends it.
func openOurs(ctx context.Context, addr string, n int) (end func(), err error) {
	b := &beginner{make([]byte, messageBytes), make(chan struct{}, n), make(chan error, 1)}
	e, err := engine.Start(engine.Config{Handler: b})
	if err != nil {
		return nil, err
	}
	end = func() { e.Close() }
	defer func() {
		if err != nil {
			end()
		}
	}()
	c, err := e.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	for range n {
		if _, err := c.Open(engine.OpenOptions{Target: "echo", Context: new(int)}); err != nil {
			return nil, err
		}
	}
	late := time.After(patience)
	for range n {
		select {
		case <-b.echoed:
		case err := <-b.ended:
			return nil, err
		case <-late:
			return nil, errors.New("channels were not accepted in time")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return end, nil
}

// startOurs starts our server.
func (m *meter) startOurs(ctx context.Context, cfg bench.ServerConfig) (*bench.Server, error) {
	cfg.MaxChannels = max(65536, m.Conversations)
	return m.p.StartServer(ctx, cfg)
}

// echoOurs has channels exchange messages, with a server of its own.
func (m *meter) echoOurs(
	ctx context.Context, cfg bench.ServerConfig, change func(*bench.Options),
) (*bench.Result, error) {
	s, err := m.startOurs(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	o := bench.Defaults(bench.Echo)
	o.Addr, o.Channels, o.Depth, o.Size = s.Addr, m.Conversations, 1, messageBytes
	o.Duration, o.Warmup = m.Duration, m.Duration/4
	if change != nil {
		change(&o)
	}
	r, err := bench.Run(ctx, o, s, m.stage)
	if err == nil && r.Messages == 0 {
		err = errNothing
	}
	return r, err
}

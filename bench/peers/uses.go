package main

import (
	"context"
	"io"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// use uses a stream until it ends, and returns why.
func (r *run) use(s io.ReadWriter, u use) error {
	switch u {
	case download, bulk, file:
		return r.download(s)
	case upload:
		return r.upload(s)
	case member:
		return r.receive(s)
	}
	if r.o.Mode == bench.Urgent {
		return r.echo(s, 1)
	}
	return r.echo(s, r.o.Depth)
}

// download reads.
func (r *run) download(s io.Reader) error {
	for p := make([]byte, blockBytes); ; {
		n, err := s.Read(p)
		if err != nil {
			return err
		}
		r.bytes.Add(int64(n))
	}
}

// upload writes. What is counted may still be under way, within the windows.
func (r *run) upload(s io.Writer) error {
	for p := make([]byte, blockBytes); ; {
		n, err := s.Write(p)
		if err != nil {
			return err
		}
		r.bytes.Add(int64(n))
	}
}

// receive reads the group's messages, and has the next one sent when all have this one.
func (r *run) receive(s io.Reader) error {
	for p := make([]byte, echoBytes); ; {
		n, err := s.Read(p)
		if err != nil {
			return err
		}
		goal := r.goal.Load()
		if r.bytes.Add(int64(n)) != goal {
			continue
		}
		r.goal.Add(int64(r.o.Conns) * int64(r.o.Channels) * int64(r.o.Size))
		if _, err := r.trigger.Write([]byte{0}); err != nil {
			return err
		}
	}
}

// echo keeps depth messages under way. Those that may be sent at the same time are written one by one, or together.
func (r *run) echo(s io.ReadWriter, depth int) error {
	messages := make([]byte, depth*r.o.Size)
	p := make([]byte, min(depth*r.o.Size, blockBytes))
	sent := make([]time.Time, depth) // ring: when the messages under way were sent
	next, got := 0, 0                // of sent: the oldest; bytes of it that came
	send := func(n int) error {
		now := time.Now()
		for i := range n {
			if !r.Coalesce && i > 0 {
				now = time.Now()
			}
			sent[next%depth] = now
			next++
			if r.Coalesce {
				continue
			}
			if _, err := s.Write(messages[:r.o.Size]); err != nil {
				return err
			}
		}
		if !r.Coalesce || n == 0 {
			return nil
		}
		_, err := s.Write(messages[:n*r.o.Size])
		return err
	}
	if err := send(depth); err != nil {
		return err
	}
	for {
		n, err := s.Read(p)
		if err != nil {
			return err
		}
		got += n
		done := got / r.o.Size
		got %= r.o.Size
		for i, now := 0, time.Now(); i < done; i++ {
			r.latency.Record(now.Sub(sent[(next+i)%depth]))
		}
		r.messages.Add(int64(done))
		if err := send(done); err != nil {
			return err
		}
	}
}

// reopen has streams opened, and each closed when it was served, depth of them at a time on each connection.
func (r *run) reopen(ctx context.Context) {
	for _, s := range r.sessions {
		for range r.o.Depth {
			go func() {
				for {
					began := time.Now()
					if err := openOnce(ctx, s); err != nil {
						r.lose(err)
						return
					}
					r.latency.Record(time.Since(began))
					r.messages.Add(1)
				}
			}()
		}
	}
}

// openOnce opens a stream, waits until its server has sent a byte and closed, and closes it.
func openOnce(ctx context.Context, s session) error {
	stream, err := s.open(ctx, opening)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return err
	}
	return stream.Close()
}

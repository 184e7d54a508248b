package netio_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// BenchmarkFramesPerWrite is a hundred goroutines, each of which sends 64 bytes on a stream of its own
// and waits for their echo, over one TCP connection: how many frames share a write.
func BenchmarkFramesPerWrite(b *testing.B) {
	const goroutines, size = 100, 64
	server, err := engine.Start(engine.Config{Handler: builtin.New()})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		b.Fatal(err)
	}
	session, err := engine.Client(nc, engine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	streams := make([]*engine.Stream, goroutines)
	for i := range streams {
		if streams[i], err = session.Open(context.Background(), engine.OpenOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	before := session.Stats()
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, s := range streams {
		wg.Go(func() {
			buf := make([]byte, size)
			for range (b.N + i) / goroutines {
				if _, err := s.Write(buf); err != nil {
					b.Error(err)
					return
				}
				if _, err := io.ReadFull(s, buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := session.Stats()
	if writes := after.Writes - before.Writes; writes > 0 {
		b.ReportMetric(float64(after.FramesOut-before.FramesOut)/float64(writes), "frames/write")
	}
	if reads := after.Reads - before.Reads; reads > 0 {
		b.ReportMetric(float64(after.FramesIn-before.FramesIn)/float64(reads), "frames/read")
	}
}

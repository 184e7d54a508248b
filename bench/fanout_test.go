package bench

import (
	"strings"
	"testing"

	"github.com/sscd-io/sscd/engine"
)

func TestFanout(t *testing.T) {
	for _, b := range []engine.Backend{engine.Epoll, engine.Net} {
		t.Run(string(b), func(t *testing.T) {
			o := Defaults(Fanout)
			o.Conns, o.Channels = 3, 20
			r, err := compare(t, o, ServerConfig{Backend: b})
			if err != nil {
				t.Fatal(err)
			}
			rows := r.(*FanoutResult).Rows
			if len(rows) != 2 {
				t.Fatalf("%d rows", len(rows))
			}
			for _, row := range rows {
				// On a busy machine a round may be over before anything came; not all are.
				if len(row.Rounds) != defaultRounds || row.Rate.High <= 0 || row.CPU.High <= 0 || row.Frames.High <= 0 {
					t.Errorf("%+v", row)
				}
			}
			wantTable(t, r, "64 bytes to 3 connections x 20 channels", "Broadcast", "Send on each", "frames per write")
		})
	}
}

// A channel that does not take a message ends the measurement.
func TestFanoutMissed(t *testing.T) {
	o := Defaults(Fanout)
	o.Conns, o.Channels, o.Size = 1, 1, engine.MaxMessage
	_, err := compare(t, o, ServerConfig{Backend: engine.Epoll, ConnMemory: 1 << 20})
	if err == nil || !strings.Contains(err.Error(), "ERROR on channel 1") {
		t.Errorf("error %v", err)
	}
}

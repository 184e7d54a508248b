package main

import (
	"time"

	"github.com/sscd-io/sscd/bench"
)

// mark is the state of all counters at one moment.
type mark struct {
	at              time.Time
	messages, bytes int64
	client, server  bench.Usage
}

func (r *run) mark() (m mark, err error) {
	if m.server, err = r.server.Usage(); err != nil {
		return m, err
	}
	m.client, err = bench.OwnUsage()
	m.at, m.messages, m.bytes = time.Now(), r.messages.Load(), r.bytes.Load()
	if r.o.Mode == bench.Fanout {
		m.messages = m.bytes / int64(r.o.Size)
	}
	return m, err
}

// until fills in what happened between two marks.
func (m mark) until(end mark, res *bench.Result) {
	res.Seconds = end.at.Sub(m.at).Seconds()
	res.Messages = end.messages - m.messages
	bytes := float64(end.bytes - m.bytes)
	res.MessagesPerSecond = float64(res.Messages) / res.Seconds
	res.MBPerSecond = bytes / 1e6 / res.Seconds
	client, server := (end.client.CPU - m.client.CPU).Seconds(), (end.server.CPU - m.server.CPU).Seconds()
	if res.Messages > 0 {
		res.ClientPerMillion = client / float64(res.Messages) * 1e6
		res.ServerPerMillion = server / float64(res.Messages) * 1e6
	}
	if bytes > 0 {
		res.ClientPerGB, res.ServerPerGB = client/bytes*1e9, server/bytes*1e9
	}
	res.Served = bench.ServedBetween(&m.server, &end.server, res.Messages)
}

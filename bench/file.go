package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
)

// fileFrame is how long frames are, in bytes: as the engine has them by default where files leave by sendfile(2), for
// peers that take as much.
const fileFrame = 240 << 10

// FileWay is how a file gets to the client.
type FileWay string

// The ways.
const (
	BySendfile FileWay = "sendfile"       // Channel.SendFile to a peer that offered HEADER_CRC
	ByRead     FileWay = "read and write" // the same to one that did not
	ByBareLoop FileWay = "bare loop"      // sendfile(2) on a connection that carries nothing else
	FromDisk   FileWay = "sendfile, cold" // as BySendfile, of a file that is not in memory at first
)

// FileWays lists them in the order in which they are measured.
var FileWays = []FileWay{BySendfile, ByRead, ByBareLoop, FromDisk}

// FileResult is what mode file found.
type FileResult struct {
	Options Options     `json:"options"`
	Rows    []FileRow   `json:"rows"`
	Ratios  []FileRatio `json:"ratios"`
	Note    string      `json:"note,omitempty"` // why rounds of a way are missing
}

// FileRow is what was measured of a way.
type FileRow struct {
	Way    FileWay     `json:"way"`
	MBps   Spread      `json:"mb_s"`
	PerGB  Spread      `json:"server_cpu_s_per_gb"`
	Both   Spread      `json:"both_cpu_s_per_gb"` // server and client
	Turn   Spread      `json:"server_longest_turn_ms"`
	Ahead  Spread      `json:"reads_ahead"`
	Rounds []FileRound `json:"rounds"`
}

// FileRound is one round of a way.
type FileRound struct {
	MBps  float64 `json:"mb_s"`
	PerGB float64 `json:"server_cpu_s_per_gb"`
	Both  float64 `json:"both_cpu_s_per_gb"`
	Frame float64 `json:"frame_bytes"`            // mean payload; 0 where there are no frames
	Turn  float64 `json:"server_longest_turn_ms"` // since the server's start, as Ahead is
	Ahead float64 `json:"reads_ahead"`
}

// FileRatio is BySendfile divided by another way, of what follows each other.
type FileRatio struct {
	By     FileWay `json:"by"`
	PerSec Spread  `json:"bytes_per_second"`
	PerCPU Spread  `json:"bytes_per_server_cpu_second"`
	PerAll Spread  `json:"bytes_per_cpu_second"` // of server and client
}

// measureFile is mode file.
func measureFile(
	ctx context.Context, o Options, server ServerConfig, p Program, progress Progress,
) (*FileResult, error) {
	if server.Backend == engine.Net {
		return nil, fmt.Errorf("mode %s needs a server on epoll: no other sends files without reading them", File)
	}
	dir, err := os.MkdirTemp("", "sscd-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	server = FileServer(server, filepath.Join(dir, "file"))
	if err := MakeFile(server.File, o.FileBytes); err != nil {
		return nil, err
	}
	res := &FileResult{Options: o, Rows: make([]FileRow, len(FileWays))}
	for i := range o.Rounds {
		for j, way := range FileWays {
			stage := progress.during("%s, %d of %d", way, i+1, o.Rounds)
			one, err := runFile(ctx, o, way, server, p, stage)
			if errors.Is(err, errNotCold) {
				res.Note = fmt.Sprintf("not measured: %s: %v", way, err)
				continue
			}
			if err != nil {
				return nil, err
			}
			row := &res.Rows[j]
			row.Way, row.Rounds = way, append(row.Rounds, *one)
		}
	}
	res.summarize()
	return res, nil
}

// MakeFile makes a file, in memory and on the disk.
func MakeFile(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * i >> 8)
	}
	for left := size; left > 0 && err == nil; left -= int64(len(block)) {
		_, err = f.Write(block[:min(left, int64(len(block)))])
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// forgetTries is how often the system is asked to forget a file, which it does not while a socket has pages of it.
const (
	forgetTries = 20
	forgetPause = 10 * time.Millisecond
)

var errNotCold = errors.New("the filesystem keeps the file in memory")

// prepare has the file in memory, or not there, as the way wants it.
func (way FileWay) prepare(path string) error {
	if way == FromDisk {
		for range forgetTries {
			if gone, err := forget(path); gone || err != nil {
				return err
			}
			time.Sleep(forgetPause)
		}
		return errNotCold
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// runFile measures one round, with a server and a connection of its own.
func runFile(
	ctx context.Context, o Options, way FileWay, server ServerConfig, p Program, progress Progress,
) (*FileRound, error) {
	if err := way.prepare(server.File); err != nil {
		return nil, err
	}
	if way != BySendfile {
		server.CPUProfile = ""
	}
	kind, cfg := serverProcess, any(server)
	if way == ByBareLoop {
		kind, cfg = bareProcess, server.File
	}
	s, err := p.Start(ctx, kind, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	o.Addr = s.Addr
	r := newRun(o)
	defer r.stopped.Store(true)
	d, err := way.begin(ctx, r)
	if err != nil {
		return nil, err
	}
	defer d.conn.Close()
	if way != FromDisk {
		if err := r.pass(ctx, "warming up", o.Warmup, progress); err != nil {
			return nil, err
		}
	}
	a, err := r.drainMark(s)
	if err != nil {
		return nil, err
	}
	if err := r.pass(ctx, "measuring", o.Duration, progress); err != nil {
		return nil, err
	}
	b, err := r.drainMark(s)
	if err != nil {
		return nil, err
	}
	return fileRound(a, b), nil
}

// begin begins the download.
func (way FileWay) begin(ctx context.Context, r *run) (*drain, error) {
	features := codec.FeatureHeaderCRC
	if way == ByRead {
		features = 0
	}
	d, err := newDrain(ctx, r, r.o.Channels, features)
	if err != nil {
		return nil, err
	}
	if way == ByBareLoop {
		go func() {
			if err := d.raw(); !r.stopped.Load() {
				r.lose(fmt.Errorf("the connection ended: %w", err))
			}
		}()
		return d, nil
	}
	return d, d.open(func(int) string { return fileTarget })
}

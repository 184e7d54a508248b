package bench

import (
	"context"

	"github.com/sscd-io/sscd/engine"
)

// runWith measures one round of a workload, with connections of its own.
func runWith(
	ctx context.Context, o Options, stage string, server *Server, progress Progress, workOf func(base) workload,
) (*Result, error) {
	r := newRun(o)
	w := workOf(base{r})
	o.Client.Handler = w
	var err error
	if r.engine, err = engine.Start(o.Client); err != nil {
		return nil, err
	}
	defer r.engine.Close()
	defer r.stopped.Store(true)
	if err := r.connect(ctx, w, progress); err != nil {
		return nil, err
	}
	res := &Result{Options: o}
	if err := r.measure(ctx, res, stage, server, progress); err != nil {
		return nil, err
	}
	return res, nil
}

// FileServer has cfg serve a file. If it says nothing else, frames are as long as SendFile has them, also of files that
// are read.
func FileServer(cfg ServerConfig, path string) ServerConfig {
	cfg.File, cfg.SendQueue = path, fileQueue
	if cfg.FrameSize == 0 {
		cfg.FrameSize = fileFrame
	}
	return cfg
}

// RunFile measures one round of downloads of the file that a FileServer has, by an engine like any other: mode file's
// own client looks at headers only.
func RunFile(ctx context.Context, o Options, server *Server, progress Progress) (*Result, error) {
	return runWith(ctx, o, string(File), server, progress, func(b base) workload { return &download{b, fileTarget} })
}

// RunFanout measures one round of mode fanout, with Broadcast. The server is one whose Group is o.Size.
func RunFanout(ctx context.Context, o Options, server *Server, progress Progress) (*Result, error) {
	f := &fanout{r: newRun(o)}
	defer f.close()
	if err := f.join(ctx, progress); err != nil {
		return nil, err
	}
	f.goal.Store(int64(o.Conns) * int64(o.Channels) * int64(o.Size))
	f.how.Store(int32(castAll))
	if err := f.next(); err != nil {
		return nil, err
	}
	a, b, err := f.measure(ctx, server, progress)
	if err != nil {
		return nil, err
	}
	res := &Result{Options: o}
	a.messages, b.messages = a.bytes/int64(o.Size), b.bytes/int64(o.Size) // frames hold several
	res.between(a, b)
	return res, nil
}

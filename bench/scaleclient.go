package bench

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// scaleConfig is what a client's process of a step of scale is told.
type scaleConfig struct {
	Options // Addr, Conns, Channels and Size
	Under   int
}

// What it is asked besides askUsage.
const (
	askBegin = "begin" // to send
	askReset = "reset" // latencies
)

// scaleState is what it answers.
type scaleState struct {
	Usage    Usage         `json:"usage"`
	Opened   int64         `json:"opened"` // channels
	Opening  time.Duration `json:"opening_ns"`
	Ready    bool          `json:"ready"` // all are open
	Messages int64         `json:"messages"`
	Latency  *Latency      `json:"latency"`
	Error    string        `json:"error"`
}

// scaleClient is the process. It opens its connections and channels at once, and sends when it is told to.
type scaleClient struct {
	r    *run
	roam *roam

	mu    sync.Mutex
	state scaleState
}

// scaleMain is the other end of startClient.
func scaleMain(in io.Reader, out io.Writer) error {
	var cfg scaleConfig
	lines, err := readConfig(in, &cfg)
	if err != nil {
		return err
	}
	c := &scaleClient{r: newRun(cfg.Options)}
	c.roam = newRoam(c.r, cfg.Under)
	cfg.Client = engine.Config{
		Handler: c.roam, Backend: engine.Epoll, Loops: 1, MaxConns: cfg.Conns,
		Memory: scaleMemory, ConnMemory: scaleMemory,
		Timeouts: engine.Timeouts{Opening: scalePatience},
	}
	if c.r.engine, err = engine.Start(cfg.Client); err != nil {
		return err
	}
	fmt.Fprintln(out, "started")
	go c.open()
	return answer(lines, out, c.say)
}

// open opens all.
func (c *scaleClient) open() {
	began := time.Now()
	err := c.r.connect(context.Background(), c.roam, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Opening, c.state.Ready = time.Since(began), err == nil
	if err != nil {
		c.state.Error = err.Error()
	}
}

// say does what it is asked, and answers with the state.
func (c *scaleClient) say(what string) (any, error) {
	switch what {
	case askBegin:
		c.roam.begin()
	case askReset:
		c.r.latency.Reset()
	}
	u, err := OwnUsage()
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case err := <-c.r.lost:
		c.state.Error = err.Error()
	default:
	}
	c.state.Usage, c.state.Opened, c.state.Messages = u, c.r.opened.Load(), c.r.messages.Load()
	c.state.Latency = c.r.latency.Summary()
	return c.state, err
}

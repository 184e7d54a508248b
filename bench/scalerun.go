package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sscd-io/sscd/engine"
)

const (
	// scalePoll is how often processes are asked how far they are.
	scalePoll = 20 * time.Millisecond

	// scalePatience is how long a step may take to open everything.
	scalePatience = 2 * time.Minute
)

// quietTime is how long servers must have next to nothing to do.
const quietTime = 100 * time.Millisecond

// errMemory means that the bound was reached.
var errMemory = errors.New("the processes together passed the bound for memory")

// scaleRun is the processes of a step.
type scaleRun struct {
	o       *ScaleOptions
	step    scaleStep
	servers []*Server
	clients []*Server
	before  int64 // resident bytes of servers without connections
}

// startScale starts the servers of a step. Several share a port, each with a listening socket of its own for each
// loop and for the address of each client: so that there are ports enough for all connections.
func startScale(ctx context.Context, o *ScaleOptions, s scaleStep, p Program) (*scaleRun, error) {
	x := &scaleRun{o: o, step: s}
	cfg := ServerConfig{
		MaxChannels: max(65536, s.channels), Loops: s.loops, Streams: s.streams,
		Memory: scaleMemory, ConnMemory: scaleMemory, Socket: engine.SocketConfig{ReusePort: s.processes > 1},
	}
	for i := range s.processes {
		server, err := p.StartServer(ctx, cfg)
		if err == nil && i == 0 && s.processes > 1 {
			// The first one chose the port; it is not that of the other addresses yet.
			cfg.Addrs, err = scaleAddrs(server.Addr, s.processes)
			if err == nil {
				err = server.Stop()
			}
			if err == nil {
				server, err = p.StartServer(ctx, cfg)
			}
		}
		if err != nil {
			return nil, errors.Join(err, x.stop())
		}
		x.servers = append(x.servers, server)
	}
	before, err := x.usage()
	if err != nil {
		return nil, errors.Join(err, x.stop())
	}
	x.before = before.RSS
	return x, nil
}

// scaleAddrs returns n addresses of the loopback with the port of the first.
func scaleAddrs(first string, n int) (all []string, err error) {
	_, port, err := net.SplitHostPort(first)
	for i := range n {
		all = append(all, net.JoinHostPort(fmt.Sprintf("127.0.0.%d", i+1), port))
	}
	return all, err
}

// stop ends all processes.
func (x *scaleRun) stop() error {
	var errs []error
	for _, s := range append(x.clients, x.servers...) {
		errs = append(errs, s.Stop())
	}
	x.clients, x.servers = nil, nil
	return errors.Join(errs...)
}

// leave ends the clients.
func (x *scaleRun) leave() error {
	var errs []error
	for _, c := range x.clients {
		errs = append(errs, c.Stop())
	}
	x.clients = nil
	return errors.Join(errs...)
}

// usage is that of all servers together, with the longest pause.
func (x *scaleRun) usage() (all Usage, err error) { return x.ask((*Server).Usage) }

func (x *scaleRun) ask(usage func(*Server) (Usage, error)) (all Usage, err error) {
	for _, s := range x.servers {
		u, err := usage(s)
		if err != nil {
			return all, err
		}
		all.CPU, all.RSS, all.Mallocs = all.CPU+u.CPU, all.RSS+u.RSS, all.Mallocs+u.Mallocs
		all.Peak, all.Switches = all.Peak+u.Peak, all.Switches+u.Switches
		all.Go.Heap, all.Go.GCCPU = all.Go.Heap+u.Go.Heap, all.Go.GCCPU+u.Go.GCCPU
		all.Go.Pause = max(all.Go.Pause, u.Go.Pause)
		all.Stats.FramesIn, all.Stats.Reads = all.Stats.FramesIn+u.Stats.FramesIn, all.Stats.Reads+u.Stats.Reads
		all.Stats.Conns, all.Stats.Channels = all.Stats.Conns+u.Stats.Conns, all.Stats.Channels+u.Stats.Channels
	}
	return all, nil
}

// clientsSay asks all clients, and returns their states together: the longest opening, the worst latencies.
func (x *scaleRun) clientsSay(what string) (all scaleState, err error) {
	all.Ready = true
	for _, c := range x.clients {
		var s scaleState
		if err := c.ask(what, &s); err != nil {
			return all, err
		}
		if s.Error != "" {
			return all, errors.New(s.Error)
		}
		all.Usage.CPU, all.Usage.RSS = all.Usage.CPU+s.Usage.CPU, all.Usage.RSS+s.Usage.RSS
		all.Opened, all.Messages = all.Opened+s.Opened, all.Messages+s.Messages
		all.Opening, all.Ready = max(all.Opening, s.Opening), all.Ready && s.Ready
		if l := s.Latency; l != nil && (all.Latency == nil || l.P99 > all.Latency.P99) {
			all.Latency = l
		}
	}
	return all, nil
}

// open starts the clients and waits until everything is open.
func (x *scaleRun) open(ctx context.Context, p Program) (opening time.Duration, err error) {
	n := x.step.processes
	for i := range n {
		cfg := scaleConfig{Under: max(x.o.Under/n, 1)}
		cfg.Mode, cfg.Channels, cfg.Size = Echo, x.step.channels, x.o.Size
		cfg.Conns = x.step.conns*(i+1)/n - x.step.conns*i/n
		cfg.Addr = x.servers[0].Addr
		if n > 1 {
			addrs, err := scaleAddrs(cfg.Addr, n)
			if err != nil {
				return 0, err
			}
			cfg.Addr = addrs[i]
		}
		c, err := p.Start(ctx, scaleProcess, cfg)
		if err != nil {
			return 0, err
		}
		x.clients = append(x.clients, c)
	}
	ctx, cancel := context.WithTimeout(ctx, scalePatience)
	defer cancel()
	for {
		if err := x.checkMemory(); err != nil {
			return 0, err
		}
		s, err := x.clientsSay(askUsage)
		if err != nil || s.Ready {
			return s.Opening, err
		}
		if err := sleep(ctx, scalePoll); err != nil {
			return 0, fmt.Errorf("%s channels were open when time was over: %w", Thousands(int(s.Opened)), err)
		}
	}
}

// settle waits until the servers are through with what was opened: a channel is accepted before its goroutine runs.
func (x *scaleRun) settle(ctx context.Context) (Usage, error) {
	ctx, cancel := context.WithTimeout(ctx, scalePatience)
	defer cancel()
	last, err := x.usage()
	for err == nil {
		if err = sleep(ctx, quietTime); err != nil {
			return last, fmt.Errorf("servers do not come to rest: %w", err)
		}
		if err = x.checkMemory(); err != nil {
			return last, err
		}
		before := last
		if last, err = x.usage(); last.CPU-before.CPU < quietTime/10*time.Duration(x.step.processes) {
			break
		}
	}
	return last, err
}

// checkMemory reads from outside what the processes hold: they may be too busy to answer.
func (x *scaleRun) checkMemory() error {
	sum := int64(0)
	for _, s := range append(append([]*Server(nil), x.clients...), x.servers...) {
		rss, err := residentBytes(fmt.Sprint(s.PID()))
		if err != nil {
			return err
		}
		sum += rss
	}
	if sum > x.o.Memory {
		return fmt.Errorf("%w: %d MB", errMemory, sum/1e6)
	}
	return nil
}

// sleep lets time pass.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

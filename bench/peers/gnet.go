package main

import (
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
)

// gnetHost serves connections with gnet's event loops, one for each processor. There is no framing at all: after its
// use, a connection's bytes go back as they come.
type gnetHost struct {
	gnet.BuiltinEventEngine
	h    *host
	addr chan any // the address, or the error
}

func serveGnet(_ settings, h *host) (string, error) {
	g := &gnetHost{h: h, addr: make(chan any, 2)}
	go func() {
		g.addr <- gnet.Run(g, "tcp://127.0.0.1:0", gnet.WithMulticore(true), gnet.WithLogger(zap.NewNop().Sugar()))
	}()
	switch a := (<-g.addr).(type) {
	case net.Addr:
		return a.String(), nil
	case error:
		return "", a
	}
	return "", net.ErrClosed
}

// OnBoot tells the address.
func (g *gnetHost) OnBoot(e gnet.Engine) gnet.Action {
	fd, err := e.Dup()
	if err != nil {
		g.addr <- err
		return gnet.Shutdown
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		g.addr <- err
		return gnet.Shutdown
	}
	defer l.Close()
	g.addr <- l.Addr()
	return gnet.None
}

// OnTraffic sends back what came.
func (g *gnetHost) OnTraffic(c gnet.Conn) gnet.Action {
	p, err := c.Next(-1)
	if err != nil || len(p) == 0 {
		return gnet.None
	}
	if c.Context() == nil {
		u := use(p[:1])
		c.SetContext(true)
		g.h.opened.Add(1)
		if p = p[1:]; u == opening {
			c.Write([]byte{0})
			return gnet.Close
		}
	}
	if len(p) > 0 {
		if _, err := c.Write(p); err != nil {
			return gnet.Close
		}
	}
	return gnet.None
}

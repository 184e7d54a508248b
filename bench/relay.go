package bench

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Line is what lies between two hosts.
type Line struct {
	RTT  time.Duration // round trip time
	Rate float64       // bytes a second, each way; 0 means as many as come
}

// relay stands between a client and a server and delays what either sends by half a round trip time. Without a
// rate, it has room for all that is under way: it is a long line, not a narrow one. What its own system calls take
// comes on top of the delay.
type relay struct {
	addr string       // where it listens
	full atomic.Int64 // times that it had no room, without a rate: it was narrow then

	listener *net.TCPListener
	server   string
	line     Line
	busy     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  []*net.TCPConn
}

// startRelay returns a relay to a server.
func startRelay(server string, line Line) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{addr: l.Addr().String(), listener: l.(*net.TCPListener), server: server, line: line}
	r.busy.Go(r.accept)
	return r, nil
}

// accept accepts until Close.
func (r *relay) accept() {
	for {
		client, err := r.listener.AcceptTCP()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			client.Close()
			continue
		}
		r.busy.Go(func() { r.join(client, server.(*net.TCPConn)) })
	}
}

// join carries what two connections say to each other until both have ended.
func (r *relay) join(client, server *net.TCPConn) {
	defer client.Close()
	defer server.Close()
	r.mu.Lock()
	r.conns = append(r.conns, client, server)
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return
	}
	var up sync.WaitGroup
	up.Go(func() { newLane(r.line, &r.full).carry(client, server) })
	newLane(r.line, &r.full).carry(server, client)
	up.Wait()
}

// Close ends the relay and its connections, and waits for that.
func (r *relay) Close() {
	r.mu.Lock()
	r.closed = true
	r.listener.Close()
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.busy.Wait()
}

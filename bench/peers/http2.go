package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// http2Config has frames of up to 256 KiB instead of 16 KiB, windows for what is read and, for servers, nearly 4 MiB
// for the connection, the most there can be; clients have 1 GiB. The servers' scheduler goes round:
// what clients say of priorities is heard from Go 1.27 on only.
func http2Config(cfg settings) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams: maxStreams, StrictMaxConcurrentRequests: true, MaxReadFrameSize: 256 << 10,
		MaxReceiveBufferPerStream: cfg.Window, MaxReceiveBufferPerConnection: 4<<20 - 1,
	}
}

// http2Only is HTTP/2 without TLS.
func http2Only() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}

func serveHTTP2(cfg settings) (string, error) {
	l, err := listen(cfg)
	if err != nil {
		return "", err
	}
	s := &http.Server{Protocols: http2Only(), HTTP2: http2Config(cfg), Handler: http.HandlerFunc(serveRequest)}
	go s.Serve(l)
	return l.Addr().String(), nil
}

func serveRequest(w http.ResponseWriter, r *http.Request) {
	f := http.NewResponseController(w)
	if f.Flush() != nil {
		return
	}
	serveStream(use(r.URL.Path[1:]), response{r.Body, w, f})
}

// response is a server's end of a stream.
type response struct {
	io.Reader
	io.Writer
	control *http.ResponseController
}

// Write implements io.Writer; p leaves at once.
func (r response) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if err == nil {
		err = r.control.Flush()
	}
	return n, err
}

// http2Session is a client's end. Its requests end with ctx.
type http2Session struct {
	addr string
	conn *http.ClientConn
	ctx  context.Context
	stop context.CancelFunc
}

func dialHTTP2(ctx context.Context, addr string, cfg settings) (session, error) {
	t := &http.Transport{Protocols: http2Only(), HTTP2: http2Config(cfg)}
	c, err := t.NewClientConn(ctx, "http", addr)
	if err != nil {
		return nil, err
	}
	s := &http2Session{addr: addr, conn: c}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s, nil
}

func (s *http2Session) open(_ context.Context, u use) (io.ReadWriter, error) {
	body, out := io.Pipe()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, "http://"+s.addr+"/"+string(u), body)
	if err != nil {
		return nil, err
	}
	answer, err := s.conn.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answer %s", answer.Status)
	}
	return struct {
		io.Reader
		io.Writer
	}{answer.Body, out}, nil
}

// Close ends the requests and the connection.
func (s *http2Session) Close() error {
	s.stop()
	return s.conn.Close()
}

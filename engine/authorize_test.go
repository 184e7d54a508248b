//go:build linux

package engine_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// guarded is an engine that serves who has the secret, and its address.
func guarded(t *testing.T, b engine.Backend, app *probe) (*engine.Engine, string) {
	t.Helper()
	app.Handler = builtin.New()
	e := startEngine(t, engine.Config{Backend: b, Handler: app, Authorize: engine.Secret([]byte("old"), []byte("open sesame"))})
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return e, addr.String()
}

// Raw clients that show credentials, or none: only those with good ones reach the application.
func TestUnauthorized(t *testing.T) {
	const good = "> HELLO credentials=" // the secret has a space, so its bytes stand behind
	for _, c := range []struct {
		name, script string
		opens        int64
	}{
		{"good", `
			> HELLO features=1 "\x06\x00\x0bopen sesame"; OPEN 1; DATA 1 "hi"
			< PONG 0 HELLO
			< ACK 1
			< DATA 1 "hi"
			alive`, 1},
		{"the other good one", good + "old; OPEN 1\n< PONG 0 HELLO\n< ACK 1\nalive", 1},
		{"bad", good + "barley; OPEN 1; DATA 1 *65536\n! UNAUTHORIZED", 0},
		{"half of it", "> HELLO \"\\x06\\x00\\x0aopen sesam\"; OPEN 1\n! UNAUTHORIZED", 0},
		{"empty", good + "; OPEN 1\n! UNAUTHORIZED", 0},
		{"none", "> HELLO features=15; OPEN 1\n! UNAUTHORIZED", 0},
		{"malformed", "> HELLO \"\\x06\\x00\\x0bopen\"\n! PROTOCOL", 0},
		{"an open first", "> OPEN 1; DATA 1 \"x\"\n! UNAUTHORIZED", 0},
		{"a PING first", "> PING 0 \"p\"\n! UNAUTHORIZED", 0},
		{"an extension first", "> type200 0\n! UNAUTHORIZED", 0},
		{"GOAWAY first", "> ERROR 0 NO_ERROR 0; OPEN 1\n! UNAUTHORIZED", 0},
		{"a good HELLO that is late", "> PING 0; HELLO credentials=old\n! UNAUTHORIZED", 0},
		{"an end first", "> ERROR 0 PROTOCOL\nclosed", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBackendsAtOnce(t, func(t *testing.T, b engine.Backend) {
				app := new(probe)
				e, addr := guarded(t, b, app)
				p := dialRaw(t, addr)
				p.play(c.script)
				if n := app.opens.Load(); n != c.opens {
					t.Errorf("%d opens reached the application, want %d", n, c.opens)
				}
				if n := e.Stats().ChannelsAccepted; n != uint64(c.opens) {
					t.Errorf("%d channels were accepted", n)
				}
				p.conn.Close()
				settles(t, "connections", func() int { return e.Stats().Conns }, 0)
				settles(t, "channels", func() int { return e.Stats().Channels }, 0)
			})
		})
	}
}

// Authorize knows whom it lets in, and OnConnect comes before, for every connection.
func TestAuthorizeIsAsked(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		type question struct {
			c           *engine.Conn
			credentials string
			none        bool
		}
		asked := make(chan question, 1)
		m := meeting{builtin.New(), make(chan *engine.Conn, 1)}
		e := startEngine(t, engine.Config{Backend: b, Handler: m, Authorize: func(c *engine.Conn, credentials []byte) bool {
			asked <- question{c, string(credentials), credentials == nil}
			return string(credentials) != "wrong"
		}})
		addr, err := e.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		for _, credentials := range [][]byte{nil, {}, []byte("right"), []byte("wrong")} {
			s, err := engine.Dial(soon(t), addr.String(), engine.Config{Credentials: credentials, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			c, q := took(t, "OnConnect", m.conns), took(t, "Authorize", asked)
			if q.c != c || q.credentials != string(credentials) || q.none != (credentials == nil) {
				t.Errorf("credentials %q: Authorize was asked about %+v", credentials, q)
			}
			_, err = s.Open(soon(t), engine.OpenOptions{})
			var lost *engine.ConnError
			switch wrong := string(credentials) == "wrong"; {
			case !wrong && err != nil:
				t.Errorf("credentials %q: %v", credentials, err)
			case wrong && err == nil:
				t.Error("wrong credentials are let in")
			case wrong:
				<-s.Done()
				if !errors.As(s.Err(), &lost) || lost.Code != codec.Unauthorized || !lost.Remote {
					t.Errorf("wrong credentials: %v", s.Err())
				}
			}
			s.Close()
		}
	})
}

// An Authorize that panics lets nobody in, and no listener hands over sessions that were not let in.
func TestAuthorizePanics(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		var panicked atomic.Bool
		l, err := engine.Listen("127.0.0.1:0", engine.Config{Backend: b, Logger: quiet, Authorize: func(*engine.Conn, []byte) bool {
			if !panicked.Swap(true) {
				panic("no idea")
			}
			return true
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for _, good := range []bool{false, true} {
			s, err := engine.Dial(soon(t), l.Addr().String(), engine.Config{Credentials: []byte("x"), Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Ping(soon(t)); good != (err == nil) {
				t.Errorf("it is let in: %v, and the ping: %v", good, err)
			}
		}
		if s := acceptSession(t, l); s.Err() != nil {
			t.Errorf("a session was accepted that had ended: %v", s.Err())
		}
	})
}

// far is a connection whose peer says it is elsewhere.
type far struct {
	net.Conn
	remote net.Addr
}

func (f far) RemoteAddr() net.Addr { return f.remote }

// Credentials go where nobody else can read them, unless they may go anywhere.
func TestCredentialsStayNear(t *testing.T) {
	tcp := func(addr string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(addr), Port: 1} }
	for _, c := range []struct {
		remote net.Addr
		told   bool
	}{
		{tcp("127.0.0.1"), true}, {tcp("127.8.8.8"), true}, {tcp("::1"), true}, {&net.UnixAddr{Net: "unix"}, true},
		{tcp("192.0.2.1"), false}, {tcp("2001:db8::1"), false}, {tcp("0.0.0.0"), false}, {&net.UDPAddr{}, false}, {nil, false},
	} {
		for _, anywhere := range []bool{false, true} {
			a, b := net.Pipe()
			said := make(chan string, 1)
			go func() {
				buf := make([]byte, 4096)
				n, _ := b.Read(buf)
				said <- string(buf[:n])
			}()
			cfg := engine.Config{Credentials: []byte("open sesame"), CredentialsAnywhere: anywhere, Logger: quiet}
			s, err := engine.Client(far{a, c.remote}, cfg)
			if told := err == nil; told != (c.told || anywhere) {
				t.Errorf("%v, anywhere %v: %v", c.remote, anywhere, err)
			}
			if got := took(t, "the first bytes, or the end", said); strings.Contains(got, "sesame") != (c.told || anywhere) {
				t.Errorf("%v, anywhere %v: what is sent is %q", c.remote, anywhere, got)
			}
			b.Close()
			if err == nil {
				s.Close()
			}
		}
	}
}

// Credentials are for servers that check them: a base server is left. An engine that has some for servers it dials
// needs none of its own clients, of whatever profile.
func TestCredentialsAreForServers(t *testing.T) {
	onSessionsOf(t, engine.Config{Credentials: []byte("x")}, engine.Config{Profile: engine.BaseOnly},
		func(t *testing.T, client, server *engine.Session) {
			<-client.Done()
			var lost *engine.ConnError
			if !errors.As(client.Err(), &lost) || lost.Code != codec.Unsupported || lost.Remote {
				t.Errorf("the session with a base server ended with %v", client.Err())
			}
		})
	onSessionsOf(t, engine.Config{Profile: engine.BaseOnly}, engine.Config{Credentials: []byte("x")},
		func(t *testing.T, client, server *engine.Session) {
			ours, theirs := streamPair(t, client, server, engine.OpenOptions{})
			ours.Write([]byte("hi"))
			ours.Close()
			if got, err := io.ReadAll(theirs); string(got) != "hi" || err != nil {
				t.Errorf("%q came, then %v", got, err)
			}
		})
	for _, cfg := range []engine.Config{
		{Profile: engine.BaseOnly, Credentials: []byte("x")},
		{Profile: engine.BaseOnly, Authorize: engine.Secret()},
		{Credentials: make([]byte, 1025)},
	} {
		cfg.Handler = builtin.New()
		if e, err := engine.Start(cfg); err == nil {
			e.Close()
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

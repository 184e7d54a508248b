package main_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// patience is how long anything may take that happens soon on an idle machine.
const patience = 20 * time.Second

// process is a child of the test, which ends with it.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan struct{}
}

// output is what a process has printed so far; of what is more than any test wants to see, the beginning.
type output struct {
	mu sync.Mutex
	b  []byte
}

// maxOutput is how much of an output is kept, in bytes.
const maxOutput = 8 << 20

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p[:min(len(p), maxOutput-len(o.b))]...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

func (o *output) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.b)
}

// start starts a process that reads stdin; nil is an empty one. An os.File it reads by itself.
func start(t *testing.T, stdin io.Reader, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, &p.stdout, &p.stderr
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else each end takes a second
	p.cmd.WaitDelay = time.Second                                // for stdin to notice that nobody reads it
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait() // whose error is in ProcessState, or about stdin
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill() // which fails if it has ended
		<-p.ended
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(p.cmd.Args, " "), p.stderr.String())
		}
	})
	return p
}

// signal sends a signal.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// status waits for the end and returns the exit status.
func (p *process) status() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%v still runs", p.cmd.Args)
	}
	return p.cmd.ProcessState.ExitCode()
}

// wantStatus waits for the end.
func (p *process) wantStatus(want int) {
	p.t.Helper()
	if got := p.status(); got != want {
		p.t.Fatalf("%v: %v, want exit status %d\n%s", p.cmd.Args, p.cmd.ProcessState, want, p.stderr.String())
	}
}

// wantComplaint waits for the end and wants one line on standard error, which says the given thing.
func (p *process) wantComplaint(status int, about string) {
	p.t.Helper()
	p.wantStatus(status)
	line, rest, whole := strings.Cut(p.stderr.String(), "\n")
	if !whole || rest != "" || !strings.HasPrefix(line, "sscd: ") || !strings.Contains(line, about) {
		p.t.Errorf("%v complains:\n%s\nwant one line about %q", p.cmd.Args, p.stderr.String(), about)
	}
}

// wantEcho waits for the end of sscd connect, which must have printed what was sent.
func (p *process) wantEcho(sent []byte) {
	p.t.Helper()
	p.wantStatus(0)
	if p.stdout.String() != string(sent) {
		p.t.Errorf("%v: %d bytes came back, not the %d that were sent", p.cmd.Args, p.stdout.len(), len(sent))
	}
}

// over returns whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// announced waits until a process says something of the given form, and returns the part in brackets.
func (p *process) announced(where *output, form *regexp.Regexp) string {
	p.t.Helper()
	var m []string
	eventually(p.t, fmt.Sprint("what looks like ", form), func() bool {
		m = form.FindStringSubmatch(where.String())
		return m != nil || p.over()
	})
	if m == nil {
		p.t.Fatalf("%v: %v", p.cmd.Args, p.cmd.ProcessState)
	}
	return m[1]
}

// pipe returns the two ends of a pipe.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

// dial returns a session with a server.
func dial(t *testing.T, addr string, cfg engine.Config) *engine.Session {
	t.Helper()
	session, err := engine.Dial(within(t), addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// listen returns a listener for a server that the test plays.
func listen(t *testing.T, cfg engine.Config) *engine.Listener {
	t.Helper()
	l, err := engine.Listen("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// accept accepts a session and its first stream.
func accept(t *testing.T, l *engine.Listener) (*engine.Session, *engine.Stream) {
	t.Helper()
	session, err := l.Accept(within(t))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := session.Accept(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return session, stream
}

// open opens a stream.
func open(t *testing.T, session *engine.Session, target string) *engine.Stream {
	t.Helper()
	stream, err := session.Open(within(t), engine.OpenOptions{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return stream
}

// within returns a context that ends when patience does.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// noise returns n bytes that are the same every time.
func noise(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.NewChaCha8([32]byte{}).Read(b); err != nil {
		panic(err)
	}
	return b
}

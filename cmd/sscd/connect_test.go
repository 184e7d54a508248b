package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/sscd-io/sscd/engine"
)

// connect starts sscd connect. It is patient with slow machines, where the peer has no half close.
func connect(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	return start(t, stdin, sscd, append([]string{"connect", "--wait", "2s"}, args...)...)
}

// endless is an input that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestConnectEchoesByteForByte(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		_, addr := serve(t, "--backend", backend)
		sent := noise(5 << 20)
		for _, target := range []string{"echo", ""} {
			connect(t, bytes.NewReader(sent), addr, target).wantEcho(sent)
		}
	})
}

func TestConnectReadsASourceToItsEnd(t *testing.T) {
	t.Parallel()
	_, addr := serve(t)
	for _, c := range []struct {
		size  int
		stdin io.Reader
	}{
		{1000000, nil},
		{0, nil},
		{3000000, endless{}}, // the source closes while the input goes on: nothing may be lost
	} {
		client := connect(t, c.stdin, addr, fmt.Sprint("source:", c.size))
		client.wantStatus(0)
		got := client.stdout.String()
		if len(got) != c.size {
			t.Errorf("a source of %d bytes gave %d", c.size, len(got))
		}
		checkSource(t, []byte(got))
	}
}

func TestConnectDeliversAllItRead(t *testing.T) {
	t.Parallel()
	l := listen(t, engine.Config{Profile: engine.BaseOnly})
	sent := noise(100 << 10) // more than the window
	client := start(t, bytes.NewReader(sent), sscd, "connect", "--wait", "1ms", l.Addr().String(), "slow")
	session, stream := accept(t, l)
	// The peer does not read before the client has given up waiting for an answer, and so takes no channels.
	eventually(t, "the client's wish to end", func() bool {
		late, err := session.Open(within(t), engine.OpenOptions{})
		if err == nil {
			late.Close()
		}
		return err != nil
	})
	got, err := io.ReadAll(stream)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the peer got %d of %d bytes, %v", len(got), len(sent), err)
	}
	client.wantStatus(0)
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	server, addr := serve(t)
	client := connect(t, nil, addr, "no such target")
	client.wantComplaint(1, `"no such target": engine: channel ended by the peer: REFUSED`)
	connect(t, nil, unixAddr(t), "echo").wantComplaint(1, "connect: no such file or directory")

	// An input that can't be read,
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	connect(t, dir, addr, "echo").wantComplaint(1, "is a directory")

	// and a server that dies in the middle.
	client = connect(t, nil, addr, "source")
	eventually(t, "some bytes", func() bool { return client.stdout.len() > 0 })
	server.signal(syscall.SIGKILL)
	client.wantComplaint(1, "connection lost")
}

func TestConnectTakesATimeoutForNoCleanEnd(t *testing.T) {
	t.Parallel()
	l := listen(t, engine.Config{})
	client := connect(t, nil, l.Addr().String(), "slow")
	_, stream := accept(t, l)
	if err := stream.Reset(engine.Timeout); err != nil {
		t.Fatal(err)
	}
	client.wantComplaint(1, "channel ended by the peer: TIMEOUT")
}

func TestInterruptEndsConnect(t *testing.T) {
	t.Parallel()
	_, addr := serve(t)
	in, _ := pipe(t)
	client := connect(t, in, addr, "source")
	eventually(t, "some bytes", func() bool { return client.stdout.len() > 0 })
	client.signal(os.Interrupt)
	client.wantStatus(0)
}

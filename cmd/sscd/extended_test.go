package main_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// A peer that hears where the input ends may take its time: nothing is guessed from its silence.
func TestConnectWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	l := listen(t, engine.Config{})
	sent := noise(100 << 10) // more than the window
	client := start(t, bytes.NewReader(sent), sscd, "connect", "--wait", "1ms", l.Addr().String())
	_, stream := accept(t, l)
	got, err := io.ReadAll(stream)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the peer got %d of %d bytes, %v", len(got), len(sent), err)
	}
	// Each piece comes later than a client would wait that guesses.
	for _, word := range []string{"an", " ", "answer"} {
		time.Sleep(10 * time.Millisecond)
		if _, err := stream.Write([]byte(word)); err != nil {
			t.Error(err)
		}
	}
	if err := stream.CloseWrite(); err != nil {
		t.Error(err)
	}
	client.wantStatus(0)
	if got := client.stdout.String(); got != "an answer" {
		t.Errorf("the client got %q", got)
	}
}

// Half a conversation is enough for who has nothing to say.
func TestConnectWithoutInput(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		_, addr := serve(t, "--backend", backend)
		for _, target := range []string{"echo", "discard"} {
			connect(t, nil, addr, target).wantEcho(nil)
		}
	})
}

// A server that speaks the base profile only is served as before.
func TestConnectToBase(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		_, addr := serve(t, "--backend", backend, "--base")
		sent := noise(300 << 10)
		connect(t, bytes.NewReader(sent), addr, "echo").wantEcho(sent)
	})
}

// What is compressed comes out as it went in.
func TestConnectCompresses(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		_, addr := serve(t, "--backend", backend, "--compress")
		sent := []byte(strings.Repeat("over and over again, ", 20_000))
		connect(t, bytes.NewReader(sent), "--compress", addr, "echo").wantEcho(sent)
		connect(t, bytes.NewReader(sent), addr, "echo").wantEcho(sent)
	})
}

// Who has the secret is served, and who has none or another is told so.
func TestCredentials(t *testing.T) {
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, same, bad := file("good", "open sesame\n"), file("same", "open sesame"), file("bad", "open barley\n")
	long := file("long", strings.Repeat("sesame ", 200))
	eachBackend(t, func(t *testing.T, backend string) {
		_, addr := serve(t, "--backend", backend, "--credentials-file", good)
		sent := noise(1000)
		for _, f := range []string{good, same} {
			connect(t, bytes.NewReader(sent), "--credentials-file", f, addr).wantEcho(sent)
		}
		connect(t, nil, "--credentials-file", bad, addr).wantComplaint(1, "UNAUTHORIZED")
		connect(t, nil, addr).wantComplaint(1, "UNAUTHORIZED")
		connect(t, nil, "--credentials-file", long, addr).wantComplaint(1, "has 1400 bytes, not at most 1024")
	})
}

// Credentials are for servers that check them.
func TestCredentialsForNobody(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	for text, about := range map[string]string{"": "is empty", "\n": "is empty"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, nil, sscd, "serve", "--listen", "127.0.0.1:0", "--credentials-file", file).wantComplaint(1, about)
	}
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, addr := serve(t, "--base")
	connect(t, nil, "--credentials-file", file, addr).wantComplaint(1, "base profile")
	start(t, nil, sscd, "serve", "--base", "--credentials-file", file).wantComplaint(2, "no credentials")
	start(t, nil, sscd, "serve", "--credentials-file", file+"s").wantComplaint(1, "no such file")
}

// The limits of serve are those of its engine.
func TestServeLimits(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, "--max-conns", "2", "--idle", "2s", "--memory", "1000000", "--conn-memory", "500000",
		"--max-window", "100000")
	first, second := dial(t, addr, engine.Config{}), dial(t, addr, engine.Config{})
	if _, err := first.Ping(within(t)); err != nil {
		t.Error("a ping on the first connection:", err)
	}
	open(t, second, "echo")
	third := dial(t, addr, engine.Config{})
	if _, err := third.Open(within(t), engine.OpenOptions{}); err == nil {
		t.Error("a third connection is served")
	}
	select { // it has no channels
	case <-first.Done():
	case <-time.After(patience):
		t.Error("the first connection stays")
	}
	if second.Err() != nil {
		t.Error("the second connection:", second.Err())
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sscd-io/sscd/bench"
)

// task is one round of one peer. Its process is told it.
type task struct {
	Peer     string           `json:"peer"`
	Options  bench.Options    `json:"options"`
	Load     bench.UrgentLoad `json:"load"`
	Coalesce bool             `json:"coalesce"` // messages of a stream that may be sent at the same time share a write
	Settings settings         `json:"settings"`
	Patience time.Duration    `json:"patience_ns"` // that the round may take
}

// outcome is what the process answers.
type outcome struct {
	Result *bench.Result `json:"result"`
	Error  string        `json:"error"`
}

// killGrace is how long after its patience a round's process is killed.
const killGrace = 2 * time.Second

// inProcess makes a round in a process of its own, which is killed with the server that it has started, however
// either of them hangs.
func (t *task) inProcess(ctx context.Context, program string) (*bench.Result, error) {
	patient, cancel := context.WithTimeout(ctx, t.Patience+killGrace)
	defer cancel()
	told, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(patient, program, roundProcess)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(told), &said, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = killGrace
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	err = cmd.Run()
	if cmd.Process != nil {
		kill()
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case patient.Err() != nil:
		return nil, fmt.Errorf("it was not done within %v", t.Patience)
	case err != nil:
		return nil, err
	}
	var o outcome
	if err := json.Unmarshal(said.Bytes(), &o); err != nil {
		return nil, err
	}
	if o.Error != "" {
		return nil, errors.New(o.Error)
	}
	return o.Result, nil
}

// makeRound is the process's end.
func makeRound(in io.Reader, out io.Writer) error {
	var t task
	if err := json.NewDecoder(in).Decode(&t); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	peer, err := choose([]string{t.Peer})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.Patience)
	defer cancel()
	var o outcome
	if o.Result, err = peer[0].round(ctx, &t, bench.Program(exe)); err != nil {
		o.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(o)
}

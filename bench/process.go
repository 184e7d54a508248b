package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Program is the path of a program that becomes a process of a measurement when it is run with the name of
// one as its only argument, as sscd-bench does: it must call Process then.
type Program string

// The processes there are besides the one that measures.
const (
	serverProcess = "server-process"
	attackProcess = "attack-process"
	bareProcess   = "bare-process"
	scaleProcess  = "scale-process"
	lossProcess   = "loss-process"
	victimProcess = "victim-process"
)

// Process returns what a program that was run with these arguments is to do instead of measuring, or nil.
func Process(args []string) func(in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return nil
	}
	switch args[0] {
	case serverProcess:
		return serveMain
	case attackProcess:
		return attackMain
	case bareProcess:
		return bareMain
	case scaleProcess:
		return scaleMain
	case lossProcess:
		return lossMain
	case victimProcess:
		return victimMain
	}
	return nil
}

// process is a process that was told what to do in one line of JSON, answers each further line with one, and
// ends with its input.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts the process of that name as begin does it, and tells it cfg.
func (p Program) start(
	ctx context.Context, name string, cfg any, begin func(*exec.Cmd) error,
) (*process, error) {
	cmd := exec.CommandContext(ctx, string(p), name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := begin(cmd); err != nil {
		return nil, err
	}
	json.NewEncoder(in).Encode(cfg) // if that fails, so does what comes next
	return &process{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// What a process is asked; those that do not know the second take it for the first.
const (
	askUsage   = "usage"
	askCollect = "collect" // its garbage first
)

// ask asks the process and reads its answer into v.
func (p *process) ask(what string, v any) error {
	if _, err := io.WriteString(p.in, what+"\n"); err != nil {
		return fmt.Errorf("asking the other process: %w", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the other process does not answer: %w", err)
	}
	return json.Unmarshal(line, v)
}

// Stop ends the process and waits for that.
func (p *process) Stop() error {
	p.in.Close()
	return p.cmd.Wait()
}

// readConfig is the other end of start: it reads cfg, and returns the lines that follow.
func readConfig(in io.Reader, cfg any) (*bufio.Reader, error) {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	return lines, json.Unmarshal(line, cfg)
}

// answer is the other end of ask, until the lines end.
func answer(lines *bufio.Reader, out io.Writer, say func(what string) (any, error)) error {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil
		}
		v, err := say(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(v); err != nil {
			return err
		}
	}
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/sscd-io/sscd/engine"
)

// A server and a client with blocking calls. Each stream is a net.Conn.
func Example() {
	ctx := context.Background()
	listener, err := engine.Listen("127.0.0.1:0", engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() {
		session, err := listener.Accept(ctx)
		if err != nil {
			return
		}
		for {
			stream, err := session.Accept(ctx)
			if err != nil {
				return
			}
			go func() {
				defer stream.Close()
				fmt.Fprintf(stream, "you want %s", stream.Target())
			}()
		}
	}()

	session, err := engine.Dial(ctx, listener.Addr().String(), engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	stream, err := session.Open(ctx, engine.OpenOptions{Target: "tea"})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := io.ReadAll(stream)
	fmt.Println(string(answer), err)
	// Output: you want tea <nil>
}

// shouter answers each message on an event loop, and turns down what it does not know.
type shouter struct{}

func (shouter) OnOpen(_ engine.Channel, r engine.OpenRequest) engine.Answer {
	if string(r.Target) != "shout" {
		return engine.Answer{Code: engine.Refused}
	}
	return engine.Answer{}
}

func (shouter) OnData(ch engine.Channel, p []byte) { ch.Send(append(p, '!')) }
func (shouter) OnWritable(engine.Channel)          {}
func (shouter) OnClose(engine.Channel, error)      {}

// A server on callbacks.
func ExampleStart() {
	e, err := engine.Start(engine.Config{Handler: shouter{}})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	session, err := engine.Dial(ctx, addr.String(), engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	stream, err := session.Open(ctx, engine.OpenOptions{Target: "shout"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(stream, "hello")
	buf := make([]byte, 100)
	n, err := stream.Read(buf)
	fmt.Println(string(buf[:n]), err)
	// Output: hello! <nil>
}

// What ended a channel can be told apart: here the peer refused to open it.
func ExampleChannelError() {
	e, err := engine.Start(engine.Config{Handler: shouter{}})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	addr, err := e.Listen("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	session, err := engine.Dial(ctx, addr.String(), engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	_, err = session.Open(ctx, engine.OpenOptions{Target: "whisper"})
	var end *engine.ChannelError
	if errors.As(err, &end) {
		fmt.Println(end.Code, end.Remote)
	}
	fmt.Println(session.Err())
	// Output:
	// REFUSED true
	// <nil>
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

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

// What a Read or Write returns tells how much has ended, and who ended it.
func Example_errors() {
	why := func(err error) string {
		var channel *engine.ChannelError
		var connection *engine.ConnError
		switch {
		case err == io.EOF:
			return "the peer has said all"
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "it takes too long"
		case errors.Is(err, net.ErrClosed):
			return "we have closed it"
		case errors.As(err, &channel):
			return fmt.Sprint("the stream ended: ", channel.Code)
		case errors.As(err, &connection):
			return fmt.Sprint("the connection was lost: ", connection.Err)
		}
		return fmt.Sprint(err)
	}
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
	read := func() string {
		_, err := stream.Read(make([]byte, 1))
		return why(err)
	}

	stream.SetReadDeadline(time.Now())
	fmt.Println(read())
	stream.SetReadDeadline(time.Time{})
	stream.CloseWrite() // the handler knows of no half close, so its channel closes
	fmt.Println(read())
	stream.Close()
	fmt.Println(read())
	_, err = session.Open(ctx, engine.OpenOptions{Target: "whisper"})
	fmt.Println(why(err))
	// Output:
	// it takes too long
	// the peer has said all
	// we have closed it
	// the stream ended: REFUSED
}

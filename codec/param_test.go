package codec

import (
	"errors"
	"fmt"
	"testing"
)

func TestParams(t *testing.T) {
	var b []byte
	b = AppendParam(b, ParamTarget, []byte("echo"))
	b = AppendParam(b, 77, nil)
	b = AppendParam(b, ParamPriority, []byte{7})
	var got string
	if err := ParseParams(b, func(typ ParamType, v []byte) error {
		got += fmt.Sprintf("%d=%q ", typ, v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := `3="echo" 77="" 1="\a" `; got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	nop := func(ParamType, []byte) error { return nil }
	for i := 1; i < len(b); i++ {
		err := ParseParams(b[:i], nop)
		whole := i == 7 || i == 10
		if (err == nil) != whole {
			t.Errorf("cut after %d bytes: error %v", i, err)
		}
	}
	for typ := range 256 {
		twice := AppendParam(AppendParam(nil, ParamType(typ), []byte("a")), ParamType(typ), nil)
		if err := ParseParams(twice, nop); !errors.Is(err, errParamTwice) {
			t.Errorf("type %d twice: error %v", typ, err)
		}
	}
	stop := errors.New("stop")
	if err := ParseParams(b, func(ParamType, []byte) error { return stop }); err != stop {
		t.Errorf("error of the callback: %v", err)
	}
}

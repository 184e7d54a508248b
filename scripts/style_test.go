package scripts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Where a file or a function passes these, a second concept hides in it.
const (
	maxFileLines = 400
	maxFuncLines = 70
	maxColumns   = 120
)

func TestStyle(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		checkFile(t, strings.TrimPrefix(path, "../"), src)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, path string, src []byte) {
	test := strings.HasSuffix(path, "_test.go")
	lines := strings.Split(string(src), "\n")
	if !test && len(lines) > maxFileLines {
		t.Errorf("%s has %d lines", path, len(lines))
	}
	for i, line := range lines {
		if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > maxColumns && !test {
			t.Errorf("%s:%d is longer than %d columns", path, i+1, maxColumns)
		}
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, src, parser.ParseComments)
	if err != nil {
		t.Error(err)
		return
	}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		from, to := fset.Position(fn.Pos()), fset.Position(fn.End())
		if n := to.Line - from.Line; n > maxFuncLines && !test {
			t.Errorf("%v: %s has %d lines", from, fn.Name.Name, n)
		}
		if fn.Name.IsExported() && fn.Doc == nil && !test && fn.Recv == nil {
			t.Errorf("%v: %s has no doc comment", from, fn.Name.Name)
		}
	}
}

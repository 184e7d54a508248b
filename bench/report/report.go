package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sscd-io/sscd/bench"
)

// Report is what is to be shown of results.
type Report struct {
	Sources []Source
	Charts  []*Chart
	Tables  []Table
	Notes   []string
}

// Source is where results come from.
type Source struct {
	File    string
	Results *bench.Results
}

// New makes a report of results. What several of them have measured is shown as the last of them has it.
func New(sources []Source) *Report {
	r := &Report{Sources: sources}
	var rows []bench.Row
	at := make(map[string]int)
	again := 0
	for _, s := range sources {
		for _, row := range s.Results.Rows {
			i, ok := at[row.Key()]
			if !ok {
				at[row.Key()] = len(rows)
				rows = append(rows, row)
				continue
			}
			rows[i], again = row, again+1
		}
		for _, note := range s.Results.Notes {
			r.Notes = append(r.Notes, note)
		}
	}
	if again > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d rows are in more than one file; the last one's are shown.", again))
	}
	for _, s := range sources[1:] {
		if d := s.Results.Machine.Differs(&sources[0].Results.Machine); len(d) > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is of another machine than %s: %s differ.", s.File,
				sources[0].File, strings.Join(d, ", ")))
		}
	}
	r.Charts, r.Tables = charts(rows), tables(rows)
	return r
}

// WriteSVGs writes each chart into a file in a directory, and returns the names.
func (r *Report) WriteSVGs(dir string) (files []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	for _, c := range r.Charts {
		svg, err := c.SVG(true)
		if err != nil {
			return files, fmt.Errorf("%s: %w", c.Title, err)
		}
		file := filepath.Join(dir, c.Name+".svg")
		if err := os.WriteFile(file, []byte(svg), 0o666); err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

// WriteMarkdown writes the tables, and the facts below them.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	for _, t := range r.Tables {
		t.markdown(&b)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "%s\n\n", cell(note))
	}
	for _, s := range r.Sources {
		fmt.Fprintf(&b, "Of %s, %s: `%s`\n", s.Results.When.Format("2006-01-02"), cell(s.Results.Machine.Text()),
			strings.ReplaceAll(cell(s.Results.Command), "`", "'"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown writes the table.
func (t *Table) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "## %s\n\n|", cell(t.Title))
	for _, h := range t.Head {
		fmt.Fprintf(b, " %s |", cell(h))
	}
	fmt.Fprintf(b, "\n|%s\n", strings.Repeat("---|", len(t.Head)))
	for _, row := range t.Rows {
		b.WriteByte('|')
		for _, l := range row.Labels {
			fmt.Fprintf(b, " %s |", cell(l))
		}
		for _, c := range row.Cells {
			text := ""
			if c.Known {
				text = c.Digits()
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

// cell makes a text one that stays in its cell.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;").Replace(s)
}

// Read reads files of results.
func Read(files []string) (sources []Source, err error) {
	if len(files) == 0 {
		return nil, errors.New("there are no files")
	}
	for _, file := range files {
		r, err := bench.ReadResults(file)
		if err != nil {
			return nil, err
		}
		sources = append(sources, Source{filepath.Base(file), r})
	}
	return sources, nil
}

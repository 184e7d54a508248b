package doctor

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// text is what a file holds, without white space around; false if it can't be read.
func (e *examiner) text(file string) (string, bool) {
	raw, err := fs.ReadFile(e.Root, file)
	return strings.TrimSpace(string(raw)), err == nil
}

// numbers are the whole numbers that a file holds; false if it can't be read or holds others, or less than want.
func (e *examiner) numbers(file string, want int) ([]int, bool) {
	s, ok := e.text(file)
	var all []int
	for f := range strings.FieldsSeq(s) {
		n, err := number(f)
		if err != nil {
			return nil, false
		}
		all = append(all, n)
	}
	return all, ok && len(all) >= want
}

// number reads a number; what is beyond the largest, or "max" or "unlimited", is the largest.
func number(s string) (int, error) {
	if s == "max" || s == "unlimited" {
		return math.MaxInt, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, err
	}
	return int(min(n, math.MaxInt)), nil
}

// cgroup is what a file of this process's cgroup holds, of version 2 or of a controller of version 1; limits of the
// groups above count as well, so it is the lowest number that any holds in its first field.
func (e *examiner) cgroup(v2, controller, v1 string) (lowest int, found bool) {
	own, _ := e.text("proc/self/cgroup")
	lowest = math.MaxInt
	for line := range strings.Lines(own) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		base, name := "sys/fs/cgroup", v2
		if fields[0] != "0" {
			if fields[1] != controller {
				continue
			}
			base, name = path.Join(base, controller), v1
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if s, ok := e.text(path.Join(base, group, name)); ok {
				if n, err := number(strings.SplitN(s, " ", 2)[0]); err == nil {
					lowest, found = min(lowest, n), true
				}
			}
			if group == "/" {
				break
			}
		}
	}
	return lowest, found
}

// count writes a number with thousands apart.
func count(n int) string {
	if n >= math.MaxInt>>9 { // what the kernel has for no limit
		return "unlimited"
	}
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes.
func size(n int) string {
	switch {
	case n >= math.MaxInt>>9:
		return "unlimited"
	case n >= 10<<30:
		return fmt.Sprintf("%s GiB", count(n>>30))
	case n >= 10<<20:
		return fmt.Sprintf("%s MiB", count(n>>20))
	case n >= 10<<10:
		return fmt.Sprintf("%s KiB", count(n>>10))
	}
	return fmt.Sprintf("%s B", count(n))
}

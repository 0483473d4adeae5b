// Another implementation's word on the record: the Go checksum database's
// note and tlog packages open a checkpoint, make the tree of the journal's
// lines, and check and make proofs. Reads one JSON object on stdin, says what
// it found as one on stdout; what they refuse is an answer, not a failure.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proof struct {
	Kind   string // inclusion or consistency
	Index  int64  // of the leaf; inclusion
	From   int64  // the older size; consistency
	Size   int64
	Leaf   string // its hash
	Root   string
	Before string // the root at From
	Hashes []string
}

type request struct {
	Vkey  string   // who may have signed
	Notes []string // to be opened
	Lines string   // a file, a record a line; empty lines are none
	Sizes []int64  // whose root is asked for
	Check []proof
	Make  []proof // hashes are wanted
}

type opened struct {
	Error  string
	Origin string
	Size   int64
	Root   string
}

type answer struct {
	Notes []opened
	Size  int64
	Roots []string
	Check []string // "" is good, else why not
	Make  [][]string
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func b64(h tlog.Hash) string {
	return base64.StdEncoding.EncodeToString(h[:])
}

func hash(text string) (h tlog.Hash, err error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil && len(raw) != tlog.HashSize {
		err = errors.New("a hash of another length")
	}
	copy(h[:], raw)
	return h, err
}

// The three lines of a checkpoint, in a note that the key has signed.
func open(text string, key note.Verifier) (o opened, err error) {
	n, err := note.Open([]byte(text), note.VerifierList(key))
	if err != nil {
		return o, err
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != key.Name() {
		return o, errors.New("no checkpoint of this log")
	}
	o.Origin, o.Root = lines[0], lines[2]
	o.Size, err = strconv.ParseInt(lines[1], 10, 64)
	if err == nil {
		_, err = hash(o.Root)
	}
	return o, err
}

// The stored hashes of a tree, in memory.
type store []tlog.Hash

func (s store) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		if x < 0 || x >= int64(len(s)) {
			return nil, errors.New("no such hash")
		}
		out[i] = s[x]
	}
	return out, nil
}

func read(path string) (s store, n int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<17)
	for lines.Scan() {
		if len(bytes.Trim(lines.Bytes(), "\x00")) == 0 {
			continue
		}
		made, err := tlog.StoredHashes(n, lines.Bytes(), s)
		if err != nil {
			return nil, 0, err
		}
		s = append(s, made...)
		n++
	}
	return s, n, lines.Err()
}

func check(p proof) error {
	hashes := make([]tlog.Hash, len(p.Hashes))
	root, err := hash(p.Root)
	for i := 0; err == nil && i < len(hashes); i++ {
		hashes[i], err = hash(p.Hashes[i])
	}
	if err != nil {
		return err
	}
	if p.Kind == "inclusion" {
		leaf, err := hash(p.Leaf)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(hashes, p.Size, root, p.Index, leaf)
	}
	before, err := hash(p.Before)
	if err != nil {
		return err
	}
	return tlog.CheckTree(hashes, p.Size, root, p.From, before)
}

func prove(p proof, s store) (out []string, err error) {
	var hashes []tlog.Hash
	if p.Kind == "inclusion" {
		hashes, err = tlog.ProveRecord(p.Size, p.Index, s)
	} else {
		hashes, err = tlog.ProveTree(p.Size, p.From, s)
	}
	out = []string{}
	for _, h := range hashes {
		out = append(out, b64(h))
	}
	return out, err
}

func main() {
	var q request
	fatal(json.NewDecoder(os.Stdin).Decode(&q))
	var a answer
	var s store
	var err error
	if q.Vkey != "" {
		key, err := note.NewVerifier(q.Vkey)
		fatal(err)
		for _, text := range q.Notes {
			o, err := open(text, key)
			if err != nil {
				o = opened{Error: err.Error()}
			}
			a.Notes = append(a.Notes, o)
		}
	}
	if q.Lines != "" {
		s, a.Size, err = read(q.Lines)
		fatal(err)
	}
	for _, size := range q.Sizes {
		root, err := tlog.TreeHash(size, s)
		fatal(err)
		a.Roots = append(a.Roots, b64(root))
	}
	for _, p := range q.Check {
		why := ""
		if err := check(p); err != nil {
			why = err.Error()
		}
		a.Check = append(a.Check, why)
	}
	for _, p := range q.Make {
		hashes, err := prove(p, s)
		fatal(err)
		a.Make = append(a.Make, hashes)
	}
	fatal(json.NewEncoder(os.Stdout).Encode(a))
}

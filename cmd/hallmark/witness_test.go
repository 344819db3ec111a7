package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// witnessScriptCommand: witness DIR NAME makes a witness in DIR for the log of the
// instance mine, at an address of its own, and keeps its key in DIR.vkey.
func witnessScriptCommand(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	address := l.Addr().String()
	ts.Check(l.Close())
	log := strings.TrimSpace(ts.ReadFile("mine/trust/rekor.vkey"))
	ts.Check(ts.Exec("hallmark", "witness", "init", args[0], "--name", args[1], "--listen", address, "--log", log))
	key := regexp.MustCompile(`its key +(\S+)`).FindStringSubmatch(ts.ReadFile("stderr"))
	if key == nil {
		ts.Fatalf("no key is said: %s", ts.ReadFile("stderr"))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".vkey"), []byte(key[1]), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".address"), []byte(address), 0o600))
}

// witnessesCommand: witnesses CONFIG DIR... has the instance ask these witnesses, all
// of which must cosign, and writes two policies: policy.yaml, which asks for them, and
// stranger.yaml, which asks for one more that nobody knows.
func witnessesCommand(ts *testscript.TestScript, _ bool, args []string) {
	dirs := args[1:]
	settings := ts.ReadFile(args[0]) + fmt.Sprintf("witnesses:\n  quorum: %d\n  required: true\n  peers:\n", len(dirs))
	var keys []string
	for _, dir := range dirs {
		keys = append(keys, ts.ReadFile(dir+".vkey"))
		settings += fmt.Sprintf("    - url: http://%s\n      key: %s\n", ts.ReadFile(dir+".address"), ts.ReadFile(dir+".vkey"))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(settings), 0o600))
	policy := fmt.Sprintf("version: 1\nsigners:\n  alice: {email: alice@example.com, issuer: http://%s}\nrequire:\n  - signedBy: [alice]\n", ts.Getenv("ADDR"))
	ask := func(keys []string) string {
		return policy + fmt.Sprintf("witnesses:\n  atLeast: %d\n  keys: [%s]\n", len(keys), strings.Join(keys, ", "))
	}
	const stranger = "stranger.example.com+2ce6c6f4+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"
	ts.Check(os.WriteFile(ts.MkAbs("policy.yaml"), []byte(ask(keys)), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("stranger.yaml"), []byte(ask([]string{keys[0], stranger})), 0o600))
}

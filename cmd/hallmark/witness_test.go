// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// witnessScriptCommand: witness DIR NAME makes a witness in DIR for the log of the
// instance mine, at an address of its own, and keeps its key in DIR.vkey.
func witnessScriptCommand(ts *testscript.TestScript, _ bool, args []string) {
	freeAddressCommand(ts, false, []string{"WITNESS"})
	address := ts.Getenv("WITNESS")
	log := strings.TrimSpace(ts.ReadFile("mine/trust/rekor.vkey"))
	ts.Check(ts.Exec("hallmark", "witness", "init", args[0], "--name", args[1], "--listen", address, "--log", log))
	key := regexp.MustCompile(`its key +(\S+)`).FindStringSubmatch(ts.ReadFile("stderr"))
	if key == nil {
		ts.Fatalf("no key is said: %s", ts.ReadFile("stderr"))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".vkey"), []byte(key[1]), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".address"), []byte(address), 0o600))
}

// waitWitnessCommand: waitwitness DIR... waits until the witnesses listen.
func waitWitnessCommand(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		deadline := time.Now().Add(2 * time.Minute)
		for {
			conn, err := net.Dial("tcp", ts.ReadFile(dir+".address"))
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(deadline) {
				ts.Fatalf("witness %s does not listen: %v", dir, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// witnessLogCommand: witnesslog DIR has the witness know the log of the instance mine
// as well.
func witnessLogCommand(ts *testscript.TestScript, _ bool, args []string) {
	file := args[0] + "/witness.yaml"
	settings := ts.ReadFile(file) + "    - " + ts.ReadFile("mine/trust/rekor.vkey")
	ts.Check(os.WriteFile(ts.MkAbs(file), []byte(settings), 0o600))
}

// witnessesCommand: witnesses CONFIG [demanded] DIR... has the instance ask these witnesses, all
// of which must cosign, and writes policies: policy.yaml, which asks for them, and
// stranger.yaml and stranger_log_policy, which ask for one more that does not exist.
func witnessesCommand(ts *testscript.TestScript, _ bool, args []string) {
	dirs := args[1:]
	demanded := dirs[0] == "demanded"
	if demanded {
		dirs = dirs[1:]
	}
	settings := ts.ReadFile(args[0]) + fmt.Sprintf("witnesses:\n  quorum: %d\n  required: true\n  demanded: %t\n  peers:\n", len(dirs), demanded)
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
	lines := fmt.Sprintf("witness us %s\nwitness nobody %s\ngroup both all us nobody\nquorum both\n", strings.TrimSpace(keys[0]), stranger)
	ts.Check(os.WriteFile(ts.MkAbs("stranger_log_policy"), []byte(lines), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("policy.yaml"), []byte(ask(keys)), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("stranger.yaml"), []byte(ask([]string{keys[0], stranger})), 0o600))
}

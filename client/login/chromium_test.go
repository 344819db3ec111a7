// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A tab is a page of a headless Chromium, driven by the DevTools protocol over a pair of
// pipes: JSON messages that end in a zero byte.
type tab struct {
	t       testing.TB
	to      io.Writer
	from    *bufio.Reader
	session string
	last    int // id of the last command
}

// patience bounds a wait for Chromium. On a busy machine it needs many seconds to start or to
// show a page.
const patience = 2 * time.Minute

// chromium opens a tab. Without Chromium the test is skipped, unless CI is set.
func chromium(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil || runtime.GOOS == "windows" {
		if os.Getenv("CI") != "" {
			t.Fatalf("no Chromium: %v", err)
		}
		t.Skipf("SKIPPED: the login page is not tested in a browser: %v", err)
	}
	in, toBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromBrowser, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--window-size=800,700", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{in, out} // 3 and 4, as the flag wants them
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &tab{t: t, to: toBrowser, from: bufio.NewReader(fromBrowser)}
	t.Cleanup(func() {
		b.call("Browser.close", map[string]any{}, nil)
		cmd.Wait() // returns how it ended
		cancel()
		toBrowser.Close()
		fromBrowser.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	return b
}

// call sends a command and reads its result.
func (b *tab) call(method string, params, result any) {
	b.t.Helper()
	if err := b.try(method, params, result); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// try sends a command, reads its result, and returns Chromium's error. It skips events.
func (b *tab) try(method string, params, result any) error {
	b.t.Helper()
	b.last++
	message := map[string]any{"id": b.last, "method": method, "params": params}
	if b.session != "" && method != "Browser.close" {
		message["sessionId"] = b.session
	}
	raw, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(raw, 0)); err != nil {
		b.t.Fatalf("telling Chromium %s: %v", method, err)
	}
	for {
		raw, err := b.from.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("hearing from Chromium: %v", err)
		}
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(bytes.TrimSuffix(raw, []byte{0}), &answer); err != nil {
			b.t.Fatal(err)
		}
		if answer.ID != b.last {
			continue
		}
		if answer.Error != nil {
			return errors.New(answer.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(answer.Result, result)
	}
}

// eval returns the value of an expression in the page, or "" if there is none, such as during
// navigation.
func (b *tab) eval(expression string) string {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	err := b.try("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if err != nil || answer.ExceptionDetails != nil {
		return ""
	}
	return fmt.Sprint(answer.Result.Value)
}

// until waits for a page whose text has want, and returns the text.
func (b *tab) until(want string) string {
	b.t.Helper()
	text := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		text = b.eval("document.readyState === 'complete' && document.body ? document.title + '\\n' + document.body.innerText : ''")
		if strings.Contains(text, want) {
			return text
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("the page never says %q: %s at %s", want, text, b.eval("location.href"))
	return ""
}

// fill types into the field with a label, found as a reader would.
func (b *tab) fill(label, value string) {
	b.t.Helper()
	quoted, err := json.Marshal([]string{label, value})
	if err != nil {
		b.t.Fatal(err)
	}
	got := b.eval(fmt.Sprintf(`(([label, value]) => {
		const l = [...document.querySelectorAll('label')].find(l => l.textContent === label);
		l.control.value = value;
		return l.control.value;
	})(%s)`, quoted))
	if got != value {
		b.t.Fatalf("field %s has %q", label, got)
	}
}

func (b *tab) press(button string) {
	b.t.Helper()
	if got := b.eval(fmt.Sprintf(`[...document.querySelectorAll('button')].filter(b => b.textContent === %q).map(b => b.click()).length`, button)); got != "1" {
		b.t.Fatalf("%s buttons %q", got, button)
	}
}

// picture takes a screenshot in the directory HALLMARK_SCREENSHOTS.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("HALLMARK_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// styled checks that the page's content security policy allows its own style.
func (b *tab) styled() {
	b.t.Helper()
	if border := b.eval("getComputedStyle(document.querySelector('main')).borderTopStyle"); border != "solid" {
		b.t.Errorf("the style is not applied: border %q", border)
	}
}

func TestBrowserWithChromium(t *testing.T) {
	t.Parallel()
	o := runIssuer(t)
	b := chromium(t)
	done := make(chan struct{})
	var token string
	var err error
	address := make(chan string, 1)
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		token, err = Browser(ctx, o, func(url string) error { address <- url; return nil }, io.Discard)
	}()
	b.call("Page.navigate", map[string]any{"url": <-address}, nil)
	b.until("Sign in")
	b.styled()
	b.picture("sign-in")
	b.fill("Email", alice)
	b.fill("Password", "something else")
	b.press("Sign in")
	b.until("Email or password is wrong.")
	b.picture("wrong-password")
	if got := b.eval("document.getElementById('email').value + '|' + document.getElementById('password').value + '|' + document.activeElement.id"); got != alice+"||password" {
		t.Errorf("the form has %q", got)
	}
	b.fill("Password", secret)
	b.press("Sign in")
	b.until("You may close this page")
	<-done
	isToken(t, token, err)
}

func TestDeviceWithChromium(t *testing.T) {
	t.Parallel()
	o := runIssuer(t)
	b := chromium(t)
	out := &reader{found: make(chan [2]string, 1)}
	done := make(chan struct{})
	var token string
	var err error
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		token, err = Device(ctx, o, out)
	}()
	told := <-out.found
	b.call("Page.navigate", map[string]any{"url": told[0]}, nil)
	b.until("Type the code")
	b.fill("Code", "BCDF-GHJK")
	b.press("Continue")
	b.until("No device waits under this code.")
	b.picture("unknown-code")
	b.fill("Code", strings.ToLower(told[1]))
	b.press("Continue")
	if text := b.until("Allow a device"); !strings.Contains(text, told[1]) {
		t.Errorf("the page does not show the code: %s", text)
	}
	b.styled()
	b.picture("device")
	b.fill("Email", alice)
	b.fill("Password", secret)
	b.press("Allow")
	b.until("The device is signed in.")
	<-done
	isToken(t, token, err)
}

func TestPasswordChangeWithChromium(t *testing.T) {
	t.Parallel()
	o := runIssuer(t)
	b := chromium(t)
	b.call("Page.navigate", map[string]any{"url": o.Issuer + "/login/password-change"}, nil)
	b.until("12 characters or more")
	b.styled()
	const other = "another horse battery"
	change := func(before, after, again string) {
		b.fill("Email", alice)
		b.fill("Old password", before)
		b.fill("New password", after)
		b.fill("New password, again", again)
		b.press("Change")
	}
	change(secret, other, other+"!")
	b.until("The new password is not the same both times.")
	b.picture("password-change")
	change("something else", other, other)
	b.until("Email or password is wrong.")
	change(secret, other, other)
	b.until("You have the new password")
	token, err := Password(t.Context(), o, alice, []byte(other))
	isToken(t, token, err)
	if _, err := Password(t.Context(), o, alice, []byte(secret)); !errors.Is(err, ErrPassword) {
		t.Errorf("the old password: %v", err)
	}
}

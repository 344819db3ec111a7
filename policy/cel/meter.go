// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/policy"
)

// Limits of an evaluation: a number of steps and bytes for any statement, and for each of its
// bytes one more step and two more bytes, one of which is for its own copy. A step is a node
// of the expression, or 64 bytes read: about 50 ns, rarely more than 100.
const (
	baseSteps = 10_000_000
	baseBytes = 32 << 20
	perStep   = 64 // bytes read

	// longest applies to machines on which steps take very long. No other limit
	// depends on the machine.
	longest  = 2 * time.Minute
	lookEach = 1 << 20 // steps between readings of the clock
)

// A meter charges the cost of an evaluation in advance.
type meter struct {
	steps, bytes int // remaining
	look         int // remaining steps at which to read the clock
	deadline     time.Time
}

// exhausted is the panic of a meter. An error of the expression could be
// overridden, as in "costly || true".
type exhausted struct{}

func newMeter(size int) *meter {
	return &meter{steps: baseSteps + size, bytes: baseBytes + 2*size, look: baseSteps + size - lookEach, deadline: time.Now().Add(longest)}
}

// spend charges steps.
func (m *meter) spend(steps int) {
	m.steps -= steps
	if m.steps < 0 {
		panic(exhausted{})
	}
	if m.steps <= m.look {
		m.look = m.steps - lookEach
		if time.Now().After(m.deadline) {
			panic(exhausted{})
		}
	}
}

// read charges the steps to read so many bytes.
func (m *meter) read(bytes int) { m.spend(1 + bytes/perStep) }

// product charges a times b steps.
func (m *meter) product(a, b int) {
	if a > m.steps/max(b, 1) {
		panic(exhausted{})
	}
	m.spend(a * b)
}

// keep charges bytes of memory. They are never returned, since their lifetime
// is not known.
func (m *meter) keep(bytes int) {
	m.bytes -= bytes
	if m.bytes < 0 {
		panic(exhausted{})
	}
	m.read(bytes)
}

// within runs f and returns an error if it exceeds the meter. A panic in a
// function of cel-go becomes an error, as in its own interpreter.
func (m *meter) within(f func() (bool, error)) (holds bool, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exhausted:
			holds, err = false, policy.ErrTooCostly
		default:
			holds, err = false, fmt.Errorf("evaluating expression: panic: %.500s", fmt.Sprint(p))
		}
	}()
	return f()
}

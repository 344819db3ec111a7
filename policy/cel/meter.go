package cel

import (
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/policy"
)

// What an evaluation may take: steps and bytes for a statement of any size, and for
// each byte of it a step and two bytes more, of which its own copy is one. A step
// is a node of the expression, or 64 bytes looked at; some 50 ns either way, seldom more than 100.
const (
	baseSteps = 10_000_000
	baseBytes = 32 << 20
	perStep   = 64 // bytes looked at

	// longest is for machines on which steps take very long. No other limit depends
	// on the machine.
	longest  = 2 * time.Minute
	lookEach = 1 << 20 // steps between looks at the clock
)

// meter counts what an evaluation takes, before it takes it.
type meter struct {
	steps, bytes int // left
	look         int // at the clock, when steps has come down to it
	deadline     time.Time
}

// exhausted is the panic of a meter: an error of the expression could be outvoted,
// as in "costly || true".
type exhausted struct{}

func newMeter(size int) *meter {
	return &meter{steps: baseSteps + size, bytes: baseBytes + 2*size, look: baseSteps + size - lookEach, deadline: time.Now().Add(longest)}
}

// spend takes steps.
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

// read takes the steps of looking at so many bytes.
func (m *meter) read(bytes int) { m.spend(1 + bytes/perStep) }

// product takes a times b steps.
func (m *meter) product(a, b int) {
	if a > m.steps/max(b, 1) {
		panic(exhausted{})
	}
	m.spend(a * b)
}

// keep takes bytes of memory: all that are ever asked for, as nobody knows how long
// they are held.
func (m *meter) keep(bytes int) {
	m.bytes -= bytes
	if m.bytes < 0 {
		panic(exhausted{})
	}
	m.read(bytes)
}

// within runs f, and says so when it takes more than the meter allows. Functions of
// cel-go that panic give an error, as they do in its own interpreter.
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

// SPDX-License-Identifier: Apache-2.0

package fault

// A Failures is the list of errors of work that goes on after a failure.
type Failures []error

// Error returns the text of the first error.
func (f Failures) Error() string { return f[0].Error() }

// OrNil returns nil if nothing failed.
func (f Failures) OrNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// A SubjectError is an error about one file, image or URL.
type SubjectError struct {
	Subject string
	Err     error
}

// Error returns the text of the cause alone.
func (e *SubjectError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SubjectError) Unwrap() error { return e.Err }

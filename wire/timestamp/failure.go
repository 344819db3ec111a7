package timestamp

import "fmt"

// Failure is why an authority gives no token: PKIFailureInfo, the number of the
// bit (RFC 3161 §2.4.2). It is an error; errors.As finds it in those of
// ParseRequest and ParseResponse.
type Failure int

// The failures that the protocol has.
const (
	BadAlg              Failure = 0  // "unrecognized or unsupported Algorithm Identifier"
	BadRequest          Failure = 2  // "transaction not permitted or supported"
	BadDataFormat       Failure = 5  // "the data submitted has the wrong format"
	TimeNotAvailable    Failure = 14 // "the TSA's time source is not available"
	UnacceptedPolicy    Failure = 15 // "the requested TSA policy is not supported by the TSA"
	UnacceptedExtension Failure = 16 // "the requested extension is not supported by the TSA"
	AddInfoNotAvailable Failure = 17 // "the additional information requested could not be understood"
	SystemFailure       Failure = 25 // "the request cannot be handled due to system failure"
)

// Error is the name of the failure in the specification.
func (f Failure) Error() string {
	switch f {
	case BadAlg:
		return "badAlg"
	case BadRequest:
		return "badRequest"
	case BadDataFormat:
		return "badDataFormat"
	case TimeNotAvailable:
		return "timeNotAvailable"
	case UnacceptedPolicy:
		return "unacceptedPolicy"
	case UnacceptedExtension:
		return "unacceptedExtension"
	case AddInfoNotAvailable:
		return "addInfoNotAvailable"
	case SystemFailure:
		return "systemFailure"
	default:
		return fmt.Sprintf("failure %d", int(f))
	}
}

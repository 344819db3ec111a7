// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// PrintExplanation prints what a certificate would contain, and from which claims.
func (e Environment) PrintExplanation(x fulcio.Explanation) error {
	if e.JSON {
		return e.PrintJSON(x)
	}
	for _, f := range x.Fields {
		if _, err := fmt.Fprintf(e.Stdout, "%-28s %s\n%28s   from %s\n", fault.Printable(f.Name), fault.Printable(f.Value), "", fault.Printable(strings.Join(f.From, ", "))); err != nil {
			return err
		}
	}
	return nil
}

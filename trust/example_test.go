// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"fmt"
	"os"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
)

// This example reads the trusted root of an instance.
func ExampleParse() {
	raw, err := os.ReadFile("../verify/testdata/example/trusted_root.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	root, err := trust.Parse(raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, log := range root.Logs {
		fmt.Println(log.BaseURL)
	}
	// Output: http://localhost:7777
}

// This example selects the timestamp authorities that can be used now.
func ExampleUsable() {
	raw, err := os.ReadFile("../verify/testdata/example/signing_config.v0.2.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := trust.ParseSigningConfig(raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, service := range trust.Usable(config.TimestampAuthorities, time.Now(), 1) {
		fmt.Println(service.URL)
	}
	// Output: http://localhost:7777/api/v1/timestamp
}

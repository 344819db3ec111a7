// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestKeysAreDocumented checks that docs/reference/configuration.md has every key.
func TestKeysAreDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	instance, witness, _ := strings.Cut(string(raw), "## witness.yaml")
	for _, file := range []struct {
		config any
		page   string
	}{{Config{}, instance}, {Witness{}, witness}} {
		for _, key := range keysOf(reflect.TypeOf(file.config), "") {
			if !strings.Contains(file.page, "`"+key+"`") {
				t.Errorf("docs/reference/configuration.md has no %s of %T", key, file.config)
			}
		}
	}
}

// keysOf returns the keys that a struct has in YAML, those of structs in it with a dot.
func keysOf(s reflect.Type, prefix string) []string {
	switch {
	case s.Kind() == reflect.Pointer:
		return keysOf(s.Elem(), prefix)
	case s.Kind() == reflect.Slice:
		return keysOf(s.Elem(), prefix+"[]")
	case s.Kind() != reflect.Struct || s == reflect.TypeFor[Rate]():
		return []string{prefix}
	}
	var keys []string
	for i := range s.NumField() {
		name, _, _ := strings.Cut(s.Field(i).Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		if prefix != "" {
			name = "." + name
		}
		keys = append(keys, keysOf(s.Field(i).Type, prefix+name)...)
	}
	return keys
}

// SPDX-License-Identifier: Apache-2.0

// Package config is hallmark.yaml: the one documented struct that an instance is
// configured by.
//
// The comments of Config and its parts are the manual. Load refuses unknown and
// doubled keys, values that cannot work, and states that are dangerous unless the
// file says so in as many words: plain HTTP beyond loopback needs plain_http_unsafe.
package config

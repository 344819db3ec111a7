// SPDX-License-Identifier: Apache-2.0

// Package bench measures a running instance and whole commands: the time that one request
// takes, and the rate with many clients. hallmark bench prints its figures.
//
// The load comes from the process that measures, so on one machine its own work is part of
// every figure. Nothing here passes or fails: figures are for people.
package bench

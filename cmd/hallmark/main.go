// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hallmark-sign/hallmark/internal/cli"
)

func main() {
	os.Exit(run(cli.Environment{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Args: os.Args,
	}))
}

// run runs the command and returns the exit status. The first Ctrl-C ends the work
// in order, the second at once.
func run(env cli.Environment) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return execute(ctx, env, env.Args[1:])
}

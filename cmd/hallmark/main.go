package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hallmark-sign/hallmark/internal/cli"
)

func main() {
	os.Exit(run())
}

// run is main with an exit status. The first Ctrl-C ends the work in order, the
// second at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	env := cli.Environment{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Args: os.Args,
	}
	return execute(ctx, env, os.Args[1:])
}

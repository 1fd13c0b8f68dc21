//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// modules are the peers that Go installs, at exact versions: ghz's list of
// versions ends at one that does not build any more, and later versions of
// fortio need a module that the proxy does not give out.
var modules = map[string]string{
	"ghz":     "github.com/bojand/ghz/cmd/ghz@v0.121.0",
	"k6":      "go.k6.io/k6@v1.8.1",
	"fortio":  "fortio.org/fortio@v1.68.1",
	"grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
}

// installLimit bounds the installation of one peer: k6 is large.
const installLimit = 10 * time.Minute

// install installs what is missing. What cannot be installed is said, and is
// missing in the table.
func install(ctx context.Context, bin string) {
	for _, name := range []string{"ghz", "fortio", "grpcurl", "k6"} {
		if _, err := find(bin, name); err == nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "installing %s\n", modules[name])
		if err := goInstall(ctx, bin, modules[name]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		}
	}
	if _, err := find(bin, "h2load"); err == nil {
		return
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "h2load: not installed; as root: apt-get install nghttp2-client")
		return
	}
	if err := command(ctx, installLimit, nil, "apt-get", "install", "-y", "-q", "nghttp2-client"); err != nil {
		fmt.Fprintf(os.Stderr, "h2load: %v\n", err)
	}
}

// goInstall installs a program into a folder.
func goInstall(ctx context.Context, bin, module string) error {
	folder, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	return command(ctx, installLimit, []string{"GOBIN=" + folder, "GOFLAGS="}, "go", "install", module)
}

// command runs a program, whose output goes to stderr.
func command(ctx context.Context, limit time.Duration, env []string, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	return c.Run()
}

// find returns the path of a peer: of those installed for this, or of the
// system's.
func find(bin, name string) (string, error) {
	path := filepath.Join(bin, name)
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return path, nil
	}
	return exec.LookPath(name)
}

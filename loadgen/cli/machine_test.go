package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestProcField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpuinfo")
	if err := os.WriteFile(path, []byte("processor\t: 0\nmodel name\t: A CPU: fast\nmodel name\t: another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"model name": "A CPU: fast", "processor": "0", "model": "", "bogus": ""} {
		if got := procField(path, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := procField(path+"x", "processor"); got != "" {
		t.Errorf("a file that is not there has %q", got)
	}
}

func TestThisTool(t *testing.T) {
	tool := thisTool()
	if tool.MaxProcs < 1 || tool.CPUs < 1 || tool.Go == "" || tool.GRPC == "" {
		t.Errorf("%+v", tool)
	}
	if runtime.GOOS == "linux" && (tool.Kernel == "" || tool.MemoryMB < 64) {
		t.Errorf("the machine is not known: %+v", tool)
	}
}

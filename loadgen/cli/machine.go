package cli

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"google.golang.org/grpc"

	"touchstone/loadgen/report"
)

// thisTool says what writes a report, and where. Facts about the machine come
// from /proc and are left out where there is none.
func thisTool() report.Tool {
	return report.Tool{
		Version: version(), Go: runtime.Version(), GRPC: grpc.Version, Revision: revision(),
		OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0),
		CPUModel: procField("/proc/cpuinfo", "model name"), Kernel: kernel(), MemoryMB: memoryMB(),
	}
}

// revision is the commit that this program was built from, "" if it is not
// known, with "+" at its end if the tree had changes.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["vcs.modified"] == "true" {
		return settings["vcs.revision"] + "+"
	}
	return settings["vcs.revision"]
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func memoryMB() float64 {
	number, _, _ := strings.Cut(procField("/proc/meminfo", "MemTotal"), " ")
	kB, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	return kB / 1024
}

// procField returns the value of the first line "name : value" of a file.
func procField(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

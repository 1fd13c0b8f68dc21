package engine

import (
	"os"
	"strconv"
	"strings"
)

// readCPUs returns the time that all CPUs were busy, and all their time, in
// ticks. A virtual machine's stolen time counts as busy: it was not ours.
func readCPUs() (busy, all float64) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	return parseCPUs(string(text))
}

// parseCPUs reads the first line of /proc/stat: user, nice, system, idle,
// iowait, irq, softirq, steal; what follows is part of user and nice.
func parseCPUs(text string) (busy, all float64) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0
	}
	for i, field := range fields[1:9] {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0
		}
		all += v
		if i != 3 && i != 4 { // idle, iowait
			busy += v
		}
	}
	return busy, all
}

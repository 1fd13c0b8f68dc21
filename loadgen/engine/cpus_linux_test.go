package engine

import "testing"

func TestParseCPUs(t *testing.T) {
	tests := []struct {
		name, text string
		busy, all  float64
	}{
		{"idle and iowait are not busy, stolen time is", "cpu  10 1 5 70 8 2 1 3 99 98\ncpu0 1 1 1 1 1 1 1 1\n", 22, 100},
		{"a kernel without guest time", "cpu 1 1 1 1 1 1 1 1\n", 6, 8},
		{"an old kernel", "cpu 1 1 1 1\n", 0, 0},
		{"no number", "cpu 1 1 x 1 1 1 1 1\n", 0, 0},
		{"another file", "processor : 0\n", 0, 0},
		{"nothing", "", 0, 0},
	}
	for _, tt := range tests {
		if busy, all := parseCPUs(tt.text); busy != tt.busy || all != tt.all {
			t.Errorf("%s: busy %v of %v, want %v of %v", tt.name, busy, all, tt.busy, tt.all)
		}
	}
	if busy, all := readCPUs(); !(busy > 0 && busy <= all) {
		t.Errorf("this machine: busy %v of %v", busy, all)
	}
}

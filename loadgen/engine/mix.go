package engine

import "sort"

// mix decides which part a call is of.
type mix struct {
	seed   uint64
	bounds []float64 // cumulated shares, the last of them 1
}

func newMix(parts []Part, seed uint64) mix {
	m := mix{seed: seed}
	sum := 0.0
	for _, p := range parts {
		sum += p.Weight
		m.bounds = append(m.bounds, sum)
	}
	for i := range m.bounds {
		m.bounds[i] /= sum
	}
	return m
}

// share returns the share of part i.
func (m mix) share(i int) float64 {
	if i == 0 {
		return m.bounds[0]
	}
	return m.bounds[i] - m.bounds[i-1]
}

// pick returns the part of call k. Neighbours are independent of each other:
// parts that took turns in a fixed order would meet whatever the target does
// in the same rhythm.
func (m mix) pick(k int) int {
	if len(m.bounds) == 1 {
		return 0
	}
	u := float64(scramble(m.seed+uint64(k)*0x9e3779b97f4a7c15)>>11) / (1 << 53)
	return min(sort.SearchFloat64s(m.bounds, u), len(m.bounds)-1)
}

// scramble is the finalizer of SplitMix64.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

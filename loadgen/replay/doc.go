// Package replay records calls as they pass through a proxy, and makes
// recorded calls again.
//
// A [Tape] writes down what a proxy's tap tells. A [Player] reads a recording
// as a stream, makes its calls at their recorded moments or at another pace,
// and compares the answers with those recorded. Its memory is bounded by what
// it may read ahead, whatever the size of the file.
package replay

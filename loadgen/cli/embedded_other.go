//go:build !unix

package cli

import "syscall"

// ownGroup puts a child where its parent is: there are no process groups.
func ownGroup() *syscall.SysProcAttr { return nil }

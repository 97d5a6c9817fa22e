//go:build tools

// Package tools makes the volume provisioner a dependency of this module.
package tools

import _ "github.com/rancher/local-path-provisioner"

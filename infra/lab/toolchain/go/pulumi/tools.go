//go:build tools

// Package tools makes the Pulumi command line a dependency of this module, so
// that `go build` can make it from the module proxy alone.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"

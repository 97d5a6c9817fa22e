//go:build tools

// Package tools makes Pulumi's Python language host a dependency of this module.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"

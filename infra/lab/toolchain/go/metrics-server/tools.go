//go:build tools

// Package tools makes the metrics server a dependency of this module; Kubernetes' own packages are those of the cluster,
// so that what its build compiled serves here too.
package tools

import _ "sigs.k8s.io/metrics-server/cmd/metrics-server"

"""A real one-node Kubernetes in namespaces of its own, from programs that the toolchain provides.

`infra.lab.cluster.cluster.Cluster` is the door. This package imports nothing by itself: the supervisor, which
lives as long as the cluster, shares it and stays small.
"""

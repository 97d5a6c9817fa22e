"""Facts of made-up machines: a test names what it is about, the rest is right."""

from __future__ import annotations

from dataclasses import replace

from infra.cloud.facts import Bundle, Course, MachineFacts, Vpn

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9t0Yb1mPgFvU0yJ2c7mZ0o6m4d3zq8K5b1v2n3x4c5 teacher@example.org"
FULL = MachineFacts(  # with everything that a machine can have
    name="modtec-07-st17a",
    stack="s",
    owner="teacher",
    expires="2099-12-31",
    ssh_keys=(KEY,),
    bundle=Bundle("s3://lab-bundles/lab.tar.zst", "ab" * 32),
    kubernetes="microk8s",
    microk8s_channel="1.34/stable",
    services=("core", "teaching"),
    scale="S",
    course=Course("https://example.org/course.git", "cd" * 20),
    knative=True,
    vpn=Vpn(net=17, host=7, gateway="vpn.example.org", gateway_public_key="A" * 43 + "="),
)
PLAIN = replace(  # from a stick, with nothing that can be left out
    FULL,
    bundle=Bundle("file:///run/iotlab/stick/lab.tar.zst", "ab" * 32),
    kubernetes="embedded",
    services=("core",),
    course=None,
    knative=False,
    vpn=None,
)

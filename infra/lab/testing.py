"""`./lab test`: the tiers in the order of what they cost, each a pytest run of its own, with the time each took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from infra.lab.console import Steps, console
from infra.lab.errors import UserError
from infra.lab.paths import ROOT, Paths
from infra.lab.toolchain import Toolchain

TIERS = ("unit", "repository", "render", "plugins", "cloud", "vm", "broker", "faults", "e2e")
ON_DEMAND = ("vm_lab",)  # an emulated machine's own lab takes the better part of an hour, and a machine at rest: run by name
NEEDS_TOOLCHAIN = frozenset({"repository", "render", "plugins", "cloud", "vm", "broker", "faults", "e2e", "vm_lab"})
BENCHES = ("bridge", "timeseries", "fleet", "chain")  # programs of tests/bench, each with brokers of its own
NO_TESTS_COLLECTED = 5


def run_tests(only: Sequence[str], pytest_args: Sequence[str]) -> int:
    """Run the tiers `only` (all of TIERS if empty); returns 0 if all passed.

    Raises:
        UserError: there is no such tier.
    """
    for name in only:
        if name not in TIERS + ON_DEMAND:
            raise UserError(
                f"there is no test tier '{name}'; tiers are {', '.join(TIERS)} and, by name alone, {', '.join(ON_DEMAND)}"
            )
    tiers = [tier for tier in TIERS + ON_DEMAND if tier in (only or TIERS)]
    paths = Paths.from_environment()
    toolchain = Toolchain(paths, Steps(paths))
    outcome: list[tuple[str, int, float]] = []
    env = dict(os.environ)
    for tier in tiers:
        started = time.monotonic()
        if tier in NEEDS_TOOLCHAIN and toolchain.missing():
            toolchain.ensure()
            outcome.append(("toolchain", 0, time.monotonic() - started))
            started = time.monotonic()
        if tier in NEEDS_TOOLCHAIN:
            env |= toolchain.env()
        console.rule(f"{tier} tests")
        words = [sys.executable, "-m", "pytest", str(ROOT / "tests" / tier), *pytest_args]
        code = subprocess.run(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
        outcome.append((tier, code, time.monotonic() - started))
    return _summary(outcome, filtered=bool(pytest_args))


def _summary(outcome: Sequence[tuple[str, int, float]], *, filtered: bool) -> int:
    """Print where the time went; a tier without tests is a failure unless the caller filtered them away."""
    console.rule("where the time went")
    good = {0, NO_TESTS_COLLECTED} if filtered else {0}
    for name, code, seconds in outcome:
        verdict = "[green]passed[/]" if code in good else f"[red]failed (pytest's code {code})[/]"
        console.print(f"{name:<11} {seconds:7.1f} s  {verdict}")
    return 0 if all(code in good for _, code, _ in outcome) else 1


def run_bench(name: str, words: Sequence[str], *, as_json: bool) -> int:
    """Run a bench that brings its own brokers; `words` are contenders, or how many cars; returns its exit code.

    Raises:
        UserError: there is no such bench.
    """
    if name not in BENCHES:
        raise UserError(f"there is no bench '{name}'; benches are lab (the running one) and {', '.join(BENCHES)}")
    paths = Paths.from_environment()
    toolchain = Toolchain(paths, Steps(paths))
    if toolchain.missing():
        toolchain.ensure()
    env = os.environ | toolchain.env() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'apps'}"}
    program = [sys.executable, "-m", f"tests.bench.{name}", *(["--json"] if as_json else []), *words]
    return subprocess.run(program, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode

"""The linters' verdicts, each a test: a missing linter fails with its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "words",
    [
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        ("mypy", "--cache-dir", "/dev/null"),
        ("lint-imports", "--no-cache"),
        ("yamllint", "--strict", "-c", ".yamllint.yaml", "Pulumi.yaml", "Pulumi.local.yaml", "Pulumi.s.yaml", "charts", "infra"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_linter_has_nothing_to_say(words: tuple[str, ...]) -> None:
    program = BIN / words[0]
    assert program.exists(), f"{words[0]} is missing; ./lab makes it with .venv"
    env = os.environ | {"PYTHONPATH": str(ROOT / "apps")}  # the apps are top-level packages; lint-imports has no setting for it
    done = subprocess.run([program, *words[1:]], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

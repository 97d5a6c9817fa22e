"""What people changed is kept, and `up` says what and how it differs."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from infra.lab.errors import LabError
from infra.lab.kept import MOST_LINES, kept_notebooks, told


def lab(said: str | LabError, *, jupyter: bool = True) -> Any:
    def run(*words: str) -> str:
        assert words[:2] == ("exec", "jupyter-0")
        if isinstance(said, LabError):
            raise said
        return said

    return SimpleNamespace(settings=SimpleNamespace(has=lambda _: jupyter), kube=SimpleNamespace(run=run))


def test_a_changed_notebook_is_told_with_its_diff() -> None:
    lines = told(kept_notebooks(lab(json.dumps({"a.ipynb": ["-ours", "+mine"]}))))
    assert lines[0].startswith("Kept: a.ipynb was changed in Jupyter.")
    assert lines[1:] == ["  -ours", "  +mine"]


def test_a_long_diff_is_cut_and_says_so() -> None:
    lines = told({"a.ipynb": ["+x"] * (MOST_LINES + 3)})
    assert len(lines) == MOST_LINES + 2
    assert lines[-1] == "  … and 3 more lines"


@pytest.mark.parametrize("said", ["", "{", LabError("kubectl exec: gone")])
def test_a_server_that_gives_no_answer_is_the_doctors_to_tell(said: str | LabError) -> None:
    assert kept_notebooks(lab(said)) == {}


def test_a_lab_without_jupyter_is_not_asked() -> None:
    assert kept_notebooks(lab(LabError("nobody to ask"), jupyter=False)) == {}

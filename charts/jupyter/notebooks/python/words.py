"""What the modules beside the notebooks say to a person, apart from the code that says it: one file for each language."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import yaml


@cache
def _words(language: str) -> dict[str, str]:
    loaded: dict[str, str] = yaml.safe_load(Path(__file__).with_name(f"words.{language}.yaml").read_text())
    return loaded


def word(name: str, /, **values: object) -> str:
    """The sentence `name` in the lab's language (LAB_LANGUAGE, `en` if unset)."""
    return _words(os.environ.get("LAB_LANGUAGE", "en"))[name].format(**values)


class SentenceError(Exception):  # no error of a program, but what a person is told
    """Ends a cell with one sentence instead of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]

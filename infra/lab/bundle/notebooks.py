"""Makes Jupyter notebooks from their sources: code in `code.py`, the words around it in `en.md`.

So a second language is one more file of words.
In `code.py` a cell begins with `# %% name`, or `# %% name [exercise]` and `# %% name [check]`. In `en.md` a text begins with
`<!-- name -->`; the order there is the notebook's, and a text is followed by the code cell of the same name if there is one.
The same sources make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.lab.bundle.inputs import Making
from infra.lab.errors import LabError
from infra.lab.paths import ROOT

SOURCES = ROOT / "charts/jupyter/notebooks"
LANGUAGE = "en"
_CODE = re.compile(r"^# %% ([a-z0-9-]{1,50})(?: \[(exercise|check)\])?$")
_TEXT = re.compile(r"^<!-- ([a-z0-9-]{1,50}) -->$")
_MAY_FAIL = "raises-exception"  # an unsolved exercise says so, and the cells below it still run
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One named piece of a source file; `kind` is `exercise`, `check` or empty."""

    name: str
    kind: str
    source: str


def _split(file: Path, mark: re.Pattern[str]) -> dict[str, Cell]:
    found: dict[str, Cell] = {}
    pieces: list[tuple[str, str, list[str]]] = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if match := mark.match(line):
            name, kind = match.group(1), (match.group(2) or "") if mark.groups > 1 else ""
            if name in (piece[0] for piece in pieces):
                raise LabError(f"{file}:{number}: there is a second cell '{name}'; give it a name of its own.")
            pieces.append((name, kind, []))
        elif pieces:
            pieces[-1][2].append(line)
        elif line.strip():
            raise LabError(f"{file}:{number}: this line stands before the first cell; begin one above it.")
    for name, kind, lines in pieces:
        found[name] = Cell(name, kind, "\n".join(lines).strip("\n"))
    return found


def code_cells(folder: Path) -> dict[str, Cell]:
    """The code cells of a notebook by name.

    Raises:
        LabError: a cell without a name, or two of one name.
    """
    return _split(folder / "code.py", _CODE)


def texts(folder: Path, language: str = LANGUAGE) -> dict[str, Cell]:
    """The texts of a notebook by name, in its order.

    Raises:
        LabError: a text without a name, or two of one name.
    """
    return _split(folder / f"{language}.md", _TEXT)


def build(folder: Path, language: str = LANGUAGE) -> str:
    """The notebook of the sources in `folder` as the text of its .ipynb file.

    Raises:
        LabError: a code cell that no text names; the message says which.
    """
    code, words = code_cells(folder), texts(folder, language)
    lost = [name for name in code if name not in words]
    if lost:
        raise LabError(f"{folder.name}: {language}.md has no text <!-- {lost[0]} --> for that cell of code.py; add one.")
    cells: list[dict[str, Any]] = []
    for name, text in words.items():
        if text.source:
            cells.append({"cell_type": "markdown", "id": f"{name}-text", "metadata": {}, "source": text.source})
        if name in code:
            tags = [code[name].kind] + ([_MAY_FAIL] if code[name].kind == "check" else [])
            metadata = {"tags": tags} if code[name].kind else {}
            cells.append({
                "cell_type": "code", "execution_count": None, "id": name, "metadata": metadata, "outputs": [],
                "source": code[name].source,
            })  # fmt: skip
    whole = {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def folders() -> list[Path]:
    """The sources of every notebook, by name."""
    return sorted(file.parent for file in SOURCES.glob("*/code.py"))


@dataclass(frozen=True, slots=True)
class Notebooks:
    """The notebooks in `notebooks`, and in `python` the modules that they import."""

    def fingerprint(self) -> str:
        """Every source, and this module."""
        said = hashlib.sha256(Path(__file__).read_bytes())
        for file in sorted(path for path in SOURCES.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            said.update(f"{file.relative_to(SOURCES)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
        return said.hexdigest()

    def prepare(self, making: Making) -> None:
        """Build them all."""
        target = making.context / "notebooks"
        target.mkdir()
        for folder in folders():
            (target / f"{folder.name}.ipynb").write_text(build(folder))
        shutil.copytree(SOURCES / "python", making.context / "python", ignore=shutil.ignore_patterns("__pycache__", ".*"))

"""Lays the lab's notebooks into the work folder and keeps what somebody changed.

`provision.py FROM HOME` copies each notebook of FROM to HOME/work if it is not there, or if it is as it was laid there last
time. A notebook counts as changed when the text of a cell, a cell's kind or their order differs: having run it is no change.
`provision.py --kept FROM HOME` changes nothing and prints one JSON object, changed notebook -> its diff against FROM.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

RECORD = ".jupyterlab/provisioned.json"  # under HOME: notebook -> digest of what was laid there


def lines(notebook: Path) -> list[str]:
    """What a person writes in a notebook, line by line; of a file that is no notebook any more, its text."""
    text = notebook.read_text(errors="replace")
    try:
        cells = [(cell["cell_type"], cell["source"]) for cell in json.loads(text)["cells"]]
    except (ValueError, LookupError, TypeError):
        return text.splitlines()
    found = []
    for kind, source in cells:
        found += [f"[{kind}]", *"".join(source).splitlines()]
    return found


def digest(notebook: Path) -> str:
    """One word for all that a person writes in it."""
    return hashlib.sha256("\n".join(lines(notebook)).encode()).hexdigest()


def difference(ours: Path, theirs: Path) -> list[str]:
    """What somebody changed, as a unified diff."""
    return list(difflib.unified_diff(lines(ours), lines(theirs), ours.name, f"yours/{theirs.name}", lineterm="", n=1))


def _record(home: Path) -> dict[str, str]:
    try:
        loaded = json.loads((home / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(word) for name, word in loaded.items()} if isinstance(loaded, dict) else {}


def provision(origin: Path, home: Path) -> Iterator[tuple[str, str]]:
    """Lay the notebooks there; yields each one's name and what was done: `new`, `updated`, `current` or `kept`."""
    work = home / "work"
    work.mkdir(parents=True, exist_ok=True)
    record = _record(home)
    for source in sorted(origin.glob("*.ipynb")):
        target, wanted = work / source.name, digest(source)
        there = digest(target) if target.exists() else ""
        if there == wanted:
            done = "current"
        elif there in ("", record.get(source.name)):
            done = "updated" if there else "new"
            scratch = target.with_suffix(".new")
            shutil.copyfile(source, scratch)
            scratch.replace(target)
        else:
            done = "kept"
        if done != "kept":
            record[source.name] = wanted
        yield source.name, done
    (home / RECORD).parent.mkdir(parents=True, exist_ok=True)
    (home / RECORD).write_text(json.dumps(record, indent=1))


def kept(origin: Path, home: Path) -> dict[str, list[str]]:
    """The notebooks that somebody changed, each with its diff."""
    found = {}
    for source in sorted(origin.glob("*.ipynb")):
        target = home / "work" / source.name
        if target.exists() and digest(target) != digest(source):
            found[source.name] = difference(source, target)
    return found


def main(words: list[str]) -> None:
    """Read the command line."""
    origin, home = map(Path, words[-2:])
    if words[0] == "--kept":
        json.dump(kept(origin, home), sys.stdout)
        return
    for name, done in provision(origin, home):
        sys.stdout.write(f"{name}: {done}\n")
        if done == "kept":
            sys.stdout.write("".join(f"  {line}\n" for line in difference(origin / name, home / "work" / name)))


if __name__ == "__main__":
    main(sys.argv[1:])

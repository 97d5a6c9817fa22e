"""Notebooks are built from their sources: the same bytes each time, nothing lost, and each exercise can be solved."""

from __future__ import annotations

import ast
import json
import re
import runpy
import types
from pathlib import Path
from typing import Any

import checks
import pytest
import words
import yaml

from infra.lab.bundle import notebooks
from infra.lab.bundle.notebooks import build, code_cells, texts
from infra.lab.errors import LabError
from tests.support.notebooks import EXERCISES, NAMES, PLOTS, SOURCES, solutions, solved

IMAGE = f"localhost/iotlab/apps@sha256:{'0' * 64}"
KEPT_FROM_OLD_LESSONS = {"02-2-MLTempHumSensor", "Microservices-BPMN-microk8s"}
PYTHON = notebooks.SOURCES / "python"


def test_the_names_that_old_lessons_link_to_are_there() -> None:
    assert set(NAMES) >= KEPT_FROM_OLD_LESSONS


@pytest.mark.parametrize("name", NAMES)
def test_the_same_sources_make_the_same_bytes(name: str) -> None:
    assert build(SOURCES[name]) == build(SOURCES[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_of_format_4_5_with_ids_of_its_own_and_without_outputs(name: str) -> None:
    built = json.loads(build(SOURCES[name]))
    assert (built["nbformat"], built["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in built["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", one) for one in ids)
    assert all(cell["outputs"] == [] for cell in built["cells"] if cell["cell_type"] == "code")


@pytest.mark.parametrize("name", NAMES)
def test_every_code_cell_is_python(name: str) -> None:
    for cell in code_cells(SOURCES[name]).values():
        ast.parse(cell.source)


@pytest.mark.parametrize("name", NAMES)
def test_no_code_is_lost_on_the_way(name: str) -> None:
    built = json.loads(build(SOURCES[name]))
    code = {cell["id"]: cell["source"] for cell in built["cells"] if cell["cell_type"] == "code"}
    assert code == {cell.name: cell.source for cell in code_cells(SOURCES[name]).values()}


@pytest.mark.parametrize("name", NAMES)
def test_every_language_has_the_same_texts_in_the_same_order(name: str) -> None:
    english = list(texts(SOURCES[name]))
    for file in SOURCES[name].glob("*.md"):
        assert list(texts(SOURCES[name], file.stem)) == english, file.name


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_saves_the_plots_that_are_expected_of_it(name: str) -> None:
    assert set(re.findall(r'lab\.save\(figure, "([a-z-]+)"\)', build(SOURCES[name]).replace('\\"', '"'))) == PLOTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_has_a_check_that_lets_the_cells_below_it_run(name: str) -> None:
    assert EXERCISES[name]
    cells = {cell["id"]: cell for cell in json.loads(build(SOURCES[name]))["cells"]}
    for exercise in EXERCISES[name]:
        assert cells[f"{exercise}-check"]["metadata"]["tags"] == ["check", "raises-exception"]
    assert set(solutions(name)) == set(EXERCISES[name])


def _ran(source: str, tmp_path: Path, given: dict[str, Any]) -> dict[str, Any]:
    file = tmp_path / "cell.py"
    file.write_text(source)
    return runpy.run_path(str(file), init_globals=given)


@pytest.mark.parametrize(("name", "exercise"), [(name, one) for name in NAMES for one in EXERCISES[name]])
def test_the_check_refuses_the_unsolved_exercise_and_takes_the_solution(
    name: str, exercise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LESSON_IMAGE", IMAGE)
    monkeypatch.setenv("LESSON_NAMESPACE", "lessons")
    given = {"checks": checks, "lessons": "lessons", "image": IMAGE}
    cells = code_cells(SOURCES[name])
    check = cells[f"{exercise}-check"].source
    unsolved = _ran(cells[exercise].source, tmp_path, given)
    with pytest.raises(checks.NotYetError, match=r"^✗ Not yet: "):
        _ran(check, tmp_path, unsolved)
    _ran(check, tmp_path, _ran(solutions(name)[exercise], tmp_path, given))
    assert capsys.readouterr().out.startswith("✓ ")


@pytest.mark.parametrize("name", NAMES)
def test_the_solved_notebook_differs_in_the_exercises_alone(name: str) -> None:
    before, after = (json.loads(text)["cells"] for text in (build(SOURCES[name]), solved(name)))
    changed = {old["id"] for old, new in zip(before, after, strict=True) if old != new}
    assert changed == set(EXERCISES[name])


def test_what_a_student_is_told_is_one_sentence_without_a_traceback() -> None:
    told = checks.NotYetError("filter-misses", filter="a/#", topic="iotkit/a/sensor")
    assert told._render_traceback_() == ["✗ Not yet: the filter 'a/#' does not match iotkit/a/sensor, a reading that it should"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (lambda _: 1 / 0, "your function ends with ZeroDivisionError"),
        (lambda temperature: "warm" if temperature > 0 else "", "for 20.4 it gives 'warm'; it should give 'low'"),
    ],
)
def test_a_wrong_solution_is_told_with_the_case_that_it_fails(value: Any, why: str) -> None:
    with pytest.raises(checks.NotYetError, match=re.escape(why)):
        checks.condition(value)


def test_every_sentence_is_used_and_every_one_that_is_used_exists() -> None:
    known = set(yaml.safe_load((PYTHON / "words.en.yaml").read_text()))
    code = "".join((PYTHON / f"{module}.py").read_text() for module in ("lab", "checks"))
    used = set(re.findall(r'(?:word|_passed|NotYetError)\(\s*"([a-z-]+)"', code))
    assert used == known
    assert words.word("passed", what="x") == "✓ x"


def _sources(folder: Path, code: str, text: str) -> Path:
    (folder / "code.py").write_text(code)
    (folder / "en.md").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("code", "text", "why"),
    [
        ("# %% a\n1\n", "<!-- b -->\n", r"en\.md has no text <!-- a --> for that cell of code\.py"),
        ("# %% a\n# %% a\n", "<!-- a -->\n", r"code\.py:2: there is a second cell 'a'"),
        ("1\n# %% a\n", "<!-- a -->\n", r"code\.py:1: this line stands before the first cell"),
        ("# %% a\n", "<!-- a -->\n<!-- a -->\n", r"en\.md:2: there is a second cell 'a'"),
    ],
)
def test_sources_that_do_not_fit_are_refused_with_the_place(tmp_path: Path, code: str, text: str, why: str) -> None:
    with pytest.raises(LabError, match=why):
        build(_sources(tmp_path, code, text))


def test_the_image_changes_with_a_text_of_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "SOURCES", tmp_path)
    (tmp_path / "a").mkdir()
    keys = {notebooks.Notebooks().fingerprint()}
    for text in ("<!-- a -->\none", "<!-- a -->\ntwo"):
        _sources(tmp_path / "a", "", text)
        keys.add(notebooks.Notebooks().fingerprint())
    assert len(keys) == 3


def test_the_images_context_gets_the_notebooks_and_their_modules(tmp_path: Path) -> None:
    making: Any = types.SimpleNamespace(context=tmp_path)
    notebooks.Notebooks().prepare(making)
    assert {file.stem for file in (tmp_path / "notebooks").iterdir()} == set(NAMES)
    assert {file.name for file in (tmp_path / "python").iterdir()} == {"checks.py", "lab.py", "words.py", "words.en.yaml"}

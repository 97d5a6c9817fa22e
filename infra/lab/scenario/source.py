"""A scenario on its way from a file: plain data, and the line where each part of it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from infra.failures import UserError
from infra.lab.scenario.model import ClientGroup, LifeCycle, MisfitError, Publish, Scenario, Stage, Subscribe, Where
from infra.refusals import keys_of

MOST_BYTES = 1_000_000  # a scenario is a page, whatever its fleet
PARTS: dict[str, type[BaseModel]] = {
    "clientGroups": ClientGroup,
    "stages": Stage,
    "lifeCycles": LifeCycle,
    "subscribe": Subscribe,
    "publish": Publish,
}
SHAPES = {  # pydantic's type of error -> what belongs there, where its own words are of Python
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys belong here, each on a line of its own"),
    "tuple_type": "a list belongs here, each entry behind a -",
    "string_type": "a text belongs here, in quotes where it is a number or a word like yes",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What a file says; `lines` has the line of each path that has one of its own."""

    file: Path
    data: object
    lines: Mapping[Where, int]

    def line(self, where: Where) -> int:
        """The line of a path, or of what it stands in."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def scenario(self) -> Scenario:
        """Check it.

        Raises:
            UserError: the first part that cannot be, with its line.
        """
        try:
            return Scenario.model_validate(self.data)
        except ValidationError as wrong:
            where, said = _first(wrong)
            raise refused(self.file, self.line(where), said) from wrong


def refused(file: Path, line: int, said: str) -> UserError:
    """What is wrong in which line, as an error."""
    return UserError(f"{file}:{line}: {said}.")


def text_of(file: Path) -> str:
    """What stands in the file.

    Raises:
        UserError: it is too large to be a scenario, or no text.
    """
    if (size := file.stat().st_size) > MOST_BYTES:
        raise UserError(f"{file} has {size} bytes, and a scenario at most {MOST_BYTES}; is it another file?")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as broken:
        raise UserError(f"{file} is no text in UTF-8 ({broken.reason} at byte {broken.start}); save it as that.") from broken


def _first(wrong: ValidationError) -> tuple[Where, str]:
    first = wrong.errors()[0]
    where: Where = tuple(first["loc"])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, MisfitError):
        return where + cause.where, str(cause)
    if isinstance(cause, ValueError):
        return where, f"{where[-1]}: {cause}" if isinstance(where[-1], str) else str(cause)
    if first["type"] == "extra_forbidden":
        return where, f"the key '{where[-1]}' is not known here; keys are {', '.join(keys_of(_part(where[:-1])))}"
    if first["type"] == "missing":
        return where, f"the key '{where[-1]}' is missing"
    if first["type"] == "too_short":
        return where, f"the key '{where[-1]}' is empty"
    return where, f"{_key(where)}: {SHAPES.get(first['type']) or _small(first['msg'])}, not {_shown(first['input'])}"


def _part(where: Where) -> type[BaseModel]:
    return next((PARTS[part] for part in reversed(where) if isinstance(part, str) and part in PARTS), Scenario)


def _key(where: Sequence[int | str]) -> str:
    return next((part for part in reversed(where) if isinstance(part, str) and part != "[key]"), "the scenario")


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _shown(value: object) -> str:
    names = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    return names.get(type(value)) or repr(value)[:60]

"""What a typed model refuses, as one sentence for the user with the key as the stack's file spells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

SHOWN_CHARS = 40
DAY = "'{given}' is no day; write it as in 2030-01-31"
WHOLE = "'{given}' is no whole number; write digits alone, as in 40"
NUMBER = "'{given}' is no number; write it as in 40 or 0.5"
TRUTH = "'{given}' is neither true nor false; write one of them"
LIST = "'{given}' is no list; write each entry on a line of its own below the key, as in - {given}"
KEYS = "'{given}' stands where keys belong; write each on a line of its own below this one, as in {key}: …"
SENTENCES: Mapping[str, str] = {  # pydantic's type of error -> what is wrong, what to write, an example
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), DAY),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), TRUTH),
    **dict.fromkeys(("tuple_type", "list_type"), LIST),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), KEYS),
    "string_type": "{given} is no text; write it in quotes, as in '{given}'",
    "literal_error": "'{given}' is not known; write {expected}",
    "greater_than": "{given} is too small; write more than {gt:g}",
    "greater_than_equal": "{given} is too small; write {ge:g} or more",
    "less_than_equal": "{given} is too large; write {le:g} or less",
    "missing": "the key is missing; write it beside the others there",
}


def alias_of(model: type[BaseModel], field: str) -> str:
    """The key of a field as a stack's file spells it."""
    return model.model_fields[field].alias or field


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a model as a stack's file spells them."""
    return sorted(alias_of(model, field) for field in model.model_fields)


def sentence(wrong: ValidationError, prefix: str, model: type[BaseModel], inner: Mapping[str, type[BaseModel]]) -> str:
    """The first error as one sentence; `inner` are the models behind keys that hold an object of ours, `a` or `a.b`."""
    first = wrong.errors()[0]
    where = _where(first["loc"], inner)
    if first["type"] == "extra_forbidden":
        of = inner.get(where.rpartition(".")[0], model)
        return f"the configuration key {prefix}:{where} is not known; keys are {', '.join(keys_of(of))}."
    said = _said(first, keys_of(inner[where])[0] if where in inner else "name")
    return f"{prefix}:{where}: {said}." if where else f"{said}."


def _said(first: ErrorDetails, key: str) -> str:
    """What is wrong and what to write; a validator of ours has said it already."""
    if (words := SENTENCES.get(first["type"])) is None:
        return first["msg"].removeprefix("Value error, ")
    given = " ".join(str(first["input"]).split())
    short = given if len(given) <= SHOWN_CHARS else f"{given[:SHOWN_CHARS]}…"
    return words.format(given=short, key=key, **first.get("ctx", {}))


def _where(path: Sequence[int | str], inner: Mapping[str, type[BaseModel]]) -> str:
    """The key, with those inside it as far as they are objects of ours."""
    words = [str(part) for part in path]
    known = 1
    while known < len(words) and ".".join(words[:known]) in inner:
        known += 1
    return ".".join(words[:known])

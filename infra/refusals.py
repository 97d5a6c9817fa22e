"""What a typed model refuses, as one sentence for the user with the key as the stack's file spells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError


def alias_of(model: type[BaseModel], field: str) -> str:
    """The key of a field as a stack's file spells it."""
    return model.model_fields[field].alias or field


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a model as a stack's file spells them."""
    return sorted(alias_of(model, field) for field in model.model_fields)


def sentence(wrong: ValidationError, prefix: str, model: type[BaseModel], inner: Mapping[str, type[BaseModel]]) -> str:
    """The first error as one sentence; `inner` are the models behind keys that hold an object of ours."""
    first = wrong.errors()[0]
    where = _where(first["loc"], inner)
    if first["type"] == "extra_forbidden":
        of = inner.get(where.partition(".")[0], model) if "." in where else model
        return f"the configuration key {prefix}:{where} is not known; keys are {', '.join(keys_of(of))}."
    said = first["msg"].removeprefix("Value error, ")
    return f"{prefix}:{where}: {said}." if where else f"{said}."


def _where(path: Sequence[int | str], inner: Mapping[str, type[BaseModel]]) -> str:
    """The key, with the one inside it where that is an object of ours."""
    words = [str(part) for part in path]
    return ".".join(words[:2] if words and words[0] in inner else words[:1])

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
    """The first error as one sentence; `inner` are the models behind keys that hold an object of ours, `a` or `a.b`."""
    first = wrong.errors()[0]
    where = _where(first["loc"], inner)
    if first["type"] == "extra_forbidden":
        of = inner.get(where.rpartition(".")[0], model)
        return f"the configuration key {prefix}:{where} is not known; keys are {', '.join(keys_of(of))}."
    said = first["msg"].removeprefix("Value error, ")
    return f"{prefix}:{where}: {said}." if where else f"{said}."


def _where(path: Sequence[int | str], inner: Mapping[str, type[BaseModel]]) -> str:
    """The key, with those inside it as far as they are objects of ours."""
    words = [str(part) for part in path]
    known = 1
    while known < len(words) and ".".join(words[:known]) in inner:
        known += 1
    return ".".join(words[:known])

"""The table of what the stand-in can do: types/*.yaml, with requests and answers in JMESPath, and how it is read.

A request is made of the resource's inputs and of these names: `id`, `region`, `account`, `old` (the inputs before), `live` (the
resource as AWS has it), `answer` (of the call before) and `item` (of a call for each).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import jmespath
import yaml
from jmespath.parser import ParsedResult
from pydantic import BaseModel, BeforeValidator, ConfigDict

from infra.lab.errors import UserError
from infra.lab.plugins.aws.functions import OPTIONS
from infra.lab.plugins.values import Json, Properties

FOLDER: Final = Path(__file__).with_name("types")


Expression = Annotated[ParsedResult, BeforeValidator(jmespath.compile)]
_NOTHING: Final = jmespath.compile("`{}`")


def value_of(expression: ParsedResult, document: Properties) -> Json:
    """What the expression says of the document."""
    return expression.search(document, OPTIONS)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Call(_Row):
    """One request to AWS."""

    call: str  # the method of boto3's client
    send: Expression = _NOTHING
    service: str = ""  # empty: the type's
    each: Expression | None = None  # the request is made once for each of these
    when: Expression | None = None  # no request if this is false
    ignore: tuple[str, ...] = ()  # AWS's error codes that are as good as an empty answer


class Change(_Row):
    """What to do when one of these inputs is not as AWS has it, or, where AWS can't tell, not as it was."""

    of: tuple[str, ...]
    steps: tuple[Call, ...]


_EC2_TAGS: Final = Change.model_validate(
    {
        "of": ["tagsAll"],
        "steps": [
            {
                "call": "delete_tags",  # which takes away all of them if none is named
                "when": "without(live.tagsAll, tagsAll)",
                "send": "{Resources: [live.keyPairId || id], Tags: without(live.tagsAll, tagsAll)[].{Key: @}}",
            },
            {
                "call": "create_tags",
                "when": "pairs(tagsAll)",
                "send": "{Resources: [live.keyPairId || id], Tags: pairs(tagsAll)}",
            },
        ],
    }
)


class Type(_Row):
    """One resource type."""

    service: str
    inputs: tuple[str, ...]
    replace: tuple[str, ...] = ()  # inputs, or paths in inputs, that AWS can't change
    replace_if: dict[str, tuple[str, ...]] = {}  # a switch among the inputs -> what it adds to `replace`
    name: str = ""  # the input that gets a generated name; with a given one the old must go before the new comes
    single: bool = False  # there can't be two, whatever their inputs
    create: tuple[Call, ...]
    id: Expression  # of `answer` to the first call, and the inputs
    read: tuple[Call, ...] = ()
    take: Expression  # outputs, of all answers of `read`; nothing if it is gone
    changes: tuple[Change, ...] = ()
    delete: tuple[Call, ...] = ()

    @property
    def tagged(self) -> bool:
        """Whether it can have tags."""
        return "tags" in self.inputs

    @property
    def all_changes(self) -> tuple[Change, ...]:
        """`changes`, and the one that all of EC2's tagged resources have in common."""
        return (*self.changes, *((_EC2_TAGS,) if self.tagged and self.service == "ec2" else ()))


class Function(_Row):
    """One function of the provider: a question to AWS."""

    service: str
    call: str
    send: Expression = _NOTHING
    take: Expression  # nothing if there is no answer
    missing: str = ""  # what is said then


def _rows(section: str) -> Iterable[tuple[str, Any]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        yield from (yaml.safe_load(path.read_text()).get(section) or {}).items()


@cache
def types() -> dict[str, Type]:
    """Every type by its token."""
    return {token: Type.model_validate(row) for token, row in _rows("types")}


@cache
def functions() -> dict[str, Function]:
    """Every function by its token."""
    return {token: Function.model_validate(row) for token, row in _rows("functions")}


def type_of(urn: str) -> Type:
    """The row of the resource's type.

    Raises:
        UserError: the table has none.
    """
    token = urn.split("::")[-2].rsplit("$", 1)[-1]
    if token not in types():
        raise UserError(f"The tests' stand-in for pulumi-aws has no {token}: add a row to infra/lab/plugins/aws/types.")
    return types()[token]

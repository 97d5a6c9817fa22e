"""What the plugin's resource types have in common: made once, kept in the state, made anew only for a reason."""

from __future__ import annotations

import abc
from typing import ClassVar, Final

from infra.lab.plugins.values import UNKNOWN, Json, Properties

MOST_ROTATIONS: Final = 2**31


def is_whole(value: Json) -> bool:
    """Whether `value` is a whole number; JSON's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole_number(inputs: Properties, key: str, least: int, most: int) -> dict[str, str]:
    """Why the input `key` is refused, by its name; a value still unknown is not judged."""
    value = inputs[key]
    if value is UNKNOWN or (is_whole(value) and least <= value <= most):
        return {}
    return {key: f"{key} must be a whole number from {least} to {most}, not {value!r}."}


class Kind(abc.ABC):
    """One resource type. `defaults` names every input; an input without a default is None there."""

    urn_type: ClassVar[str]
    defaults: ClassVar[Properties]

    @property
    def name(self) -> str:
        """The type's name as people say it."""
        return self.urn_type.rsplit(":", 1)[1]

    def reasons(self, inputs: Properties) -> dict[str, str]:
        """Every input that can't be used, with a sentence."""
        known = " and ".join((", ".join(list(self.defaults)[:-1]), list(self.defaults)[-1]))
        found = {
            key: f"{key} is not an input of a {self.name}; there are {known}." for key in inputs.keys() - self.defaults.keys()
        }
        return found | whole_number(inputs, "rotation", 0, MOST_ROTATIONS) | self.refused(inputs)

    @abc.abstractmethod
    def refused(self, inputs: Properties) -> dict[str, str]:
        """Inputs of this type that can't be used, with a sentence; `rotation` has been looked at."""

    @abc.abstractmethod
    def made(self, inputs: Properties) -> Properties:
        """New outputs."""

    @abc.abstractmethod
    def unknown(self) -> Properties:
        """The outputs as a preview shows them."""

    def outlived(self, _state: Properties) -> list[str]:
        """Outputs that must be made anew although no input changed."""
        return []

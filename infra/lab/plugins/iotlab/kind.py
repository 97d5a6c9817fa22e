"""What the plugin's resource types have in common: made once, kept in the state, made anew only for a reason."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import ClassVar, Final, TypeAlias

from infra.lab.errors import LabError
from infra.lab.plugins.values import UNKNOWN, Json, Properties

MOST_ROTATIONS: Final = 2**31
Report: TypeAlias = Callable[[str], None]  # a line of progress at the resource; raises what ends the work


class UnfinishedError(LabError):
    """It was made, but not to its end: the engine records it, and the next `up` goes on."""

    def __init__(self, message: str, outputs: Properties) -> None:
        """`outputs` are those that are known."""
        super().__init__(message)
        self.outputs = outputs


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
    secrets: ClassVar[frozenset[str]] = frozenset()  # inputs that are kept as secrets
    idle: ClassVar[frozenset[str]] = frozenset()  # inputs that say how it is made: another one makes nothing anew

    @property
    def name(self) -> str:
        """The type's name as people say it."""
        return self.urn_type.rsplit(":", 1)[1]

    def reasons(self, inputs: Properties) -> dict[str, str]:
        """Every input that can't be used, with a sentence."""
        *most, last = self.defaults
        known = f"{', '.join(most)} and {last}" if most else last
        found = {
            key: f"{key} is not an input of a {self.name}; there are {known}." for key in inputs.keys() - self.defaults.keys()
        }
        if "rotation" in self.defaults:
            found |= whole_number(inputs, "rotation", 0, MOST_ROTATIONS)
        return found | self.refused(inputs)

    @abc.abstractmethod
    def refused(self, inputs: Properties) -> dict[str, str]:
        """Inputs of this type that can't be used, with a sentence; `rotation` has been looked at."""

    @abc.abstractmethod
    def made(self, inputs: Properties, report: Report) -> Properties:
        """New outputs; `inputs` have their secrets opened.

        Raises:
            UnfinishedError: it is there, but not as it shall be.
            LabError: it could not be made.
        """

    @abc.abstractmethod
    def unknown(self) -> Properties:
        """The outputs as a preview shows them."""

    def outlived(self, _state: Properties) -> list[str]:
        """Outputs that must be made anew although no input changed."""
        return []

    def seen(self, state: Properties) -> Properties:
        """Outputs as they are outside, for a refresh; `state` has its secrets opened. Most kinds are in the state alone."""
        del state
        return {}

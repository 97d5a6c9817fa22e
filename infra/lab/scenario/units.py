"""The texts of a scenario: durations (`20s`), rates (`1/10s`) and patterns of names (`car-[0-9]{5}`). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h)")
RATE = re.compile(r"([0-9]{1,9})/([0-9]{1,9}(?:ms|s|m|h))")
RANGE = re.compile(r"\[0-9\]\{([1-9])\}")
OF_EXPRESSIONS = frozenset("[](){}*?|^\\")  # what means something to others who read such patterns, and nothing here
MOST_LETTERS = 256  # of a client id or topic
YEAR_MS = 366 * 24 * 3_600_000  # nobody waits longer


def duration_ms(text: object) -> int:
    """Milliseconds of a text as `500ms`, `20s`, `5m` or `1h`.

    Raises:
        ValueError: it is something else, or more than a year.
    """
    found = DURATION.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f"'{text}' is no duration; write a whole number with its unit: 500ms, 20s, 5m or 1h")
    if (milliseconds := int(found[1]) * UNITS_MS[found[2]]) > YEAR_MS:
        raise ValueError(f"'{text}' is longer than a year; make it shorter")
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """The same as a text, in the largest unit that has no rest."""
    unit = next(unit for unit in reversed(UNITS_MS) if milliseconds % UNITS_MS[unit] == 0)
    return f"{milliseconds // UNITS_MS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages of one client in so long."""

    count: int
    per_ms: int

    @classmethod
    def parse(cls, text: object) -> Rate:
        """Read `n/duration`.

        Raises:
            ValueError: it is something else, or nothing would ever be sent.
        """
        found = RATE.fullmatch(text) if isinstance(text, str) else None
        rate = cls(int(found[1]), duration_ms(found[2])) if found else None
        if not rate or not rate.count or not rate.per_ms:
            raise ValueError(f"'{text}' is no rate above 0; write messages of one client in a duration, as in 1/10s")
        return rate

    @property
    def msg_s(self) -> float:
        """Messages a second."""
        return 1_000 * self.count / self.per_ms

    def within(self, milliseconds: int) -> int:
        """How many messages are whole in such a time."""
        return milliseconds * self.count // self.per_ms

    def time_ms(self, messages: int) -> float:
        """How long so many take."""
        return messages * self.per_ms / self.count

    def __str__(self) -> str:
        """As a scenario has it."""
        return f"{self.count}/{duration_text(self.per_ms)}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name for each client of a group: literal text, with at most one range of digits that the client's number fills."""

    before: str
    digits: int = 0  # none: the same name for all
    after: str = ""

    @classmethod
    def parse(cls, text: object) -> Pattern:
        """Read a text with `[0-9]{n}`.

        Raises:
            ValueError: it is no text, or has an expression of another kind.
        """
        if not isinstance(text, str) or not 0 < len(text) <= MOST_LETTERS or not text.isprintable():
            raise ValueError(f"a pattern is a printable text of 1 to {MOST_LETTERS} letters")
        before, *rest = RANGE.split(text)
        strange = sorted(OF_EXPRESSIONS.intersection(before, *rest[1::2]))
        if len(rest) > len(("digits", "after")) or strange:
            what = f"has {' '.join(strange)}" if strange else "has two ranges"
            raise ValueError(f"the pattern '{text}' {what}; it may be literal text with one range of digits, [0-9]{{n}}")
        return cls(before, int(rest[0]), rest[1]) if rest else cls(before)

    def name(self, index: int) -> str:
        """The name of client `index`, from 0: its number is one more, with `digits` digits or as many more as it needs."""
        return f"{self.before}{index + 1:0{self.digits}d}{self.after}" if self.digits else self.before

    def has(self, name: str, count: int) -> bool:
        """Whether that is the name of one of the first `count` clients."""
        number = name[len(self.before) : len(name) - len(self.after)]
        if not self.digits or not number.isascii() or not number.isdigit():
            return name == self.before
        return 0 < int(number) <= count and self.name(int(number) - 1) == name

    def may_meet(self, other: Pattern) -> bool:
        """Whether a name of both is possible: the shorter beginning is one of the longer one, and so with the ends."""
        (short, long), (end, longer) = sorted((self.before, other.before), key=len), sorted((self.after, other.after), key=len)
        return long.startswith(short) and longer.endswith(end)

    def any_level(self) -> str:
        """The MQTT filter of all such names: a wildcard for the level with the range."""
        if not self.digits:
            return self.before
        return f"{self.before[: self.before.rfind('/') + 1]}+{self.after[self.after.find('/') :] if '/' in self.after else ''}"

    def __str__(self) -> str:
        """As a scenario has it."""
        return f"{self.before}[0-9]{{{self.digits}}}{self.after}" if self.digits else self.before


def topic_fault(topic: str) -> str:
    """Why nobody can publish to that topic; empty if somebody can."""
    return "a topic has no + and no # (those are for filters) and does not begin with $" if re.search(r"[+#]|^\$", topic) else ""


def filter_fault(told: str) -> str:
    """Why nobody can subscribe to that filter; empty if somebody can."""
    shared = told.startswith("$share/")
    parts = told.split("/", 2)
    if shared and (len(parts) < len(("$share", "group", "filter")) or not parts[1] or not parts[2] or set("+#") & set(parts[1])):
        return "a shared subscription is $share/<group>/<filter>"
    levels = (parts[2] if shared else told).split("/")
    if any(("+" in level and level != "+") or ("#" in level and level != "#") for level in levels) or "#" in levels[:-1]:
        return "+ and # stand for whole levels, # for the last ones only"
    return ""

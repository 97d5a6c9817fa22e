"""The one error that means: not now, try again."""

from __future__ import annotations


class UnavailableError(Exception):
    """What the effect needs is away, too busy or not set up yet; nothing is wrong with the records, they have to wait."""

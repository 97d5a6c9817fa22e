"""The one error of every codec."""

from __future__ import annotations


class PayloadError(ValueError):
    """A payload that cannot be used; `str(error)` is the reason, fit for a dead letter's header."""

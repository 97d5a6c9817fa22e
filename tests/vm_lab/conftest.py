"""The emulated machine until its own lab is up: the better part of an hour, and only where nothing else runs beside it."""

from tests.support.vm_fixtures import host, lab, machine, say, session

__all__ = ["host", "lab", "machine", "say", "session"]

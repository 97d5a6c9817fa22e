"""The emulated machine, as far as its stages before the bundle: some minutes."""

from tests.support.vm_fixtures import host, machine, say, session

__all__ = ["host", "machine", "say", "session"]

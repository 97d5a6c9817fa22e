"""Failures as sentences: the lab's two kinds of them, and what the system said as one of these."""

from __future__ import annotations

import errno

from infra.failures import LabError, UserError

__all__ = ["OF_THE_USER", "LabError", "UserError", "from_system", "last_line"]

# What a person can mend: a wrong path, missing rights, a medium that is full or can't be written.
OF_THE_USER = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    }
)


def last_line(text: str, otherwise: str = "no reason given") -> str:
    """What a program said last, which is where its reason stands; `otherwise` if it said nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else otherwise


def from_system(failed: OSError) -> LabError:
    """What the system refused and nobody caught, as a sentence: the path where there is one, and the system's reason."""
    reason = failed.strerror or str(failed) or type(failed).__name__
    if failed.errno not in OF_THE_USER:
        return LabError(f"the system refused{f' {failed.filename}' if failed.filename else ''}: {reason}.")
    where = failed.filename or "a file of the lab"
    return UserError(f"{where} cannot be used: {reason}; put that right, or set IOTLAB_CACHE and IOTLAB_STATE to other folders.")

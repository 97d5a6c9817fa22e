"""The two kinds of failure the lab knows: the user's (exit code 2) and ours (exit code 1)."""

from __future__ import annotations

import errno

# What a person can mend: a wrong path, missing rights, a medium that is full or can't be written.
OF_THE_USER = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    }
)


class LabError(Exception):
    """Something of ours went wrong. The message is one sentence: what, where, and what to do."""

    exit_code = 1


class UserError(LabError):
    """Something the user gave or lacks. The message says what is wrong, where, and what to do."""

    exit_code = 2


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

"""The two kinds of failure that everything of the lab knows: the user's (exit code 2) and ours (exit code 1)."""


class LabError(Exception):
    """Something of ours went wrong. The message is one sentence: what, where, and what to do."""

    exit_code = 1


class UserError(LabError):
    """Something the user gave or lacks. The message says what is wrong, where, and what to do."""

    exit_code = 2

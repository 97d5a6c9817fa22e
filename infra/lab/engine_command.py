"""Pulumi's CLI as the Automation API runs it, but left to end when a person interrupts.

The API waits a quarter of a second for it, then closes the pipes that it writes to, and an engine without them dies of
SIGPIPE: what a cloud was making at that moment is in no state, costs, and stands in the way of the next update
(«CIDR conflicts with another subnet», seen 2026-11-27).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from pulumi import automation

from infra.lab.console import console
from infra.lab.engines import END_WITHIN_S
from infra.lab.threads import in_a_thread


class PatientCommand(automation.PulumiCommand):
    """Ctrl-C reaches the engine by the terminal; this waits until it has ended. A second Ctrl-C ends the wait."""

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], object] | None = None,
        on_error: Callable[[str], object] | None = None,
    ) -> automation.CommandResult:
        """Run the command as the API does.

        Raises:
            CommandError: the command failed.
            KeyboardInterrupt: a person has interrupted, and the engine has ended or is given up.
        """
        command = partial(super().run, args, cwd, additional_env, on_output, on_error)
        ended = in_a_thread(command, automation.CommandError)
        try:
            return ended.result()
        except KeyboardInterrupt:
            if not ended.done():
                console.print("stopping: what is being made is finished first; Ctrl-C again leaves it to itself")
                with suppress(automation.CommandError, TimeoutError):
                    ended.result(END_WITHIN_S)
            raise

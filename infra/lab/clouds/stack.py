"""The Pulumi stack of a lab that makes machines: the same state and engine, no cluster behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.lab.engine_events import Report, Told, Watcher, counts, silent
from infra.lab.errors import LabError, last_line
from infra.lab.stack import Stack, config_of

NO_STACK = "no stack named"


class MachineStack(Stack):
    """A stack whose objects are a cloud's."""

    def env(self) -> dict[str, str]:
        """The same without a kubeconfig; plugins that this stack has no use for are not fetched."""
        env = super().env() | {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
        return {name: value for name, value in env.items() if name != "KUBECONFIG"}

    def _config(self, _images: Mapping[str, str]) -> dict[str, object]:
        return config_of(self.name)

    @property
    def exists(self) -> bool:
        """Whether there ever was an `up` here: the state is in this lab's folder."""
        return self.private_file.is_file()

    def told(self) -> dict[str, Any]:
        """The deployment with its secrets, as it is at this moment, also while an `up` goes on; empty before the first.

        Raises:
            LabError: there is a state and it can't be read: who took that for an empty one would lose machines that cost.
        """
        if not self.exists:
            return {}
        done = self._pulumi("stack", "export", "-s", self.name, "--show-secrets")
        if done.returncode and NO_STACK not in done.stderr:
            raise LabError(f"the state of the stack '{self.name}' cannot be read: {last_line(done.stderr)}")
        deployment: dict[str, Any] = json.loads(done.stdout or "{}").get("deployment") or {}
        return deployment

    def destroy(self, report: Report, told: Told = silent) -> dict[str, int]:
        """End all that isn't protected, going on after a failure; returns what became of how many.

        Raises:
            LabError: something could not be ended; the next `down` tries it again.
        """
        watcher = Watcher(report, told)
        with self._engine("down", watcher) as (stack, write):
            done = stack.destroy(
                exclude_protected=True, continue_on_error=True, on_output=write, on_event=watcher.see, show_secrets=False
            )
        return counts(done.summary.resource_changes or {})

    def unprotect(self) -> None:
        """Let the next `destroy` end everything.

        Raises:
            LabError: the engine refused.
        """
        done = self._pulumi("state", "unprotect", "--all", "--yes", "-s", self.name)
        if done.returncode:
            raise LabError(f"the bundle store's protection could not be taken away: {last_line(done.stderr)}")

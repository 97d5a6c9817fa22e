"""The long texts of a plan, whole: what `--show NAME` prints and the summary only counts."""

from __future__ import annotations

import re

import yaml

from infra.lab.errors import UserError
from infra.lab.plan.collect import Plan, shown

CLOUD_INIT, MANIFESTS, RESOURCES = "cloud-init", "manifests", "resources"
ALL = "all"  # the summary, and these three below it
STAGE = re.compile(r"/stages/(\d\d-[a-z0-9]+)\.sh$", re.MULTILINE)


def stages(user_data: str) -> list[str]:
    """The stages that a machine's user data bring, in their order."""
    return sorted(set(STAGE.findall(user_data)))


def objects(manifest: str) -> list[str]:
    """`Kind/name` of every object of a manifest; a Secret is a comment in it and counts by its first word."""
    found = [one for one in yaml.safe_load_all(manifest) if isinstance(one, dict)]
    secrets = [line.split()[2].rstrip(",") for line in manifest.splitlines() if line.startswith("# Secret ")]
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found] + [f"Secret/{name}" for name in secrets]


def _together(texts: dict[str, str]) -> str:
    """One text as it is, several below each other with their names."""
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"# ---------- {name}\n{text}" for name, text in texts.items())


def _resources(plan: Plan) -> str:
    """Every resource with its inputs, as YAML."""
    asked = {f"{kind} {name}": shown(inputs) for kind, name, inputs in plan.resources}
    return yaml.safe_dump(asked, sort_keys=False, allow_unicode=True, width=10_000)


def whole(plan: Plan, name: str) -> str:
    """One text of the plan: all user data, all manifests, all resources, all of these, or those of one machine or one file.

    Raises:
        UserError: the plan has nothing of this name.
    """
    if name == CLOUD_INIT and plan.user_data:
        return _together(plan.user_data)
    if name == MANIFESTS and plan.manifests:
        return _together(plan.manifests)
    if name == RESOURCES:
        return _resources(plan)
    if name == ALL:
        return _together({RESOURCES: _resources(plan)} | plan.user_data | plan.manifests)
    texts = plan.manifests | plan.user_data
    if text := texts.get(name, plan.manifests.get(f"{name}.yaml")):
        return text
    if name == MANIFESTS:
        raise UserError(plan.not_shown)
    kinds = [ALL, *([CLOUD_INIT] if plan.user_data else []), MANIFESTS, RESOURCES]
    known = ", ".join([*kinds, *plan.user_data, *plan.manifests])
    raise UserError(f"the plan of '{plan.stack}' has no '{name}' to show: it has {known}.")

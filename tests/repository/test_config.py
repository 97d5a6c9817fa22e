"""Pulumi's own schema of the configuration and the program's settings name the same keys."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.settings import PROJECT, Settings

ROOT = Path(__file__).resolve().parents[2]
WRITTEN_BY_LAB = {"images", "deviceAddress"}


def test_the_projects_schema_has_every_key_with_its_default() -> None:
    schema = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    keys = {field.alias or name for name, field in Settings.model_fields.items()} - WRITTEN_BY_LAB
    assert set(schema) == {f"{PROJECT}:{key}" for key in keys}
    assert Settings.parse({key: entry["default"] for key, entry in schema.items()}) == Settings.parse({})

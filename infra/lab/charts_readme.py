"""Writes each chart's values.yaml and README.md from its values.schema.json, so that a value is described in one place.

`python -m infra.lab.charts_readme` writes them; with `--check` nothing is written and a stale file is a failure.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from infra.lab.paths import ROOT

CHARTS = ROOT / "charts"
Schema = dict[str, Any]


def charts() -> tuple[Path, ...]:
    """The folders of all charts, by name."""
    return tuple(sorted(file.parent for file in CHARTS.glob("*/Chart.yaml")))


def _default(schema: Schema) -> str:
    return json.dumps(schema["default"]) if "default" in schema else ""


def _flat(properties: dict[str, Schema], required: list[str], prefix: str = "") -> list[tuple[str, Schema, bool]]:
    rows: list[tuple[str, Schema, bool]] = []
    for name, schema in properties.items():
        if "properties" in schema:
            rows += _flat(schema["properties"], schema.get("required", []), f"{prefix}{name}.")
        else:
            rows.append((prefix + name, schema, name in required))
    return rows


def _kind(schema: Schema) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema["type"])
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return f"{kind} {', '.join(bounds)}".strip()


def _values(properties: dict[str, Schema], indent: str = "") -> list[str]:
    lines: list[str] = []
    for name, schema in properties.items():
        lines.append(f"{indent}# {schema['description']}")
        if "properties" in schema:
            lines += [f"{indent}{name}:", *_values(schema["properties"], indent + "  ")]
        elif "default" in schema:
            lines.append(f"{indent}{name}: {_default(schema)}")
        else:
            lines.append(f"{indent}# {name}: (to be given)")
    return lines


def values(schema: Schema) -> str:
    """The text of values.yaml: each default under its description."""
    return "\n".join(["---", *_values(schema["properties"])]) + "\n"


def readme(chart: Schema, schema: Schema) -> str:
    """The text of README.md: what the chart is, and its values as a table."""
    lines = [f"# {chart['name']}", "", str(chart["description"]), "", "Made from values.schema.json; change it there.", ""]
    lines += ["| value | type | default | what for |", "|---|---|---|---|"]
    for name, value, needed in _flat(schema["properties"], schema.get("required", [])):
        default = "**to be given**" if needed else f"`{_default(value)}`"
        lines.append(f"| `{name}` | {_kind(value)} | {default} | {value['description']} |")
    return "\n".join(lines) + "\n"


def wanted() -> dict[Path, str]:
    """Every generated file of every chart with the text it must have."""
    texts: dict[Path, str] = {}
    for folder in charts():
        schema = json.loads((folder / "values.schema.json").read_text())
        chart = yaml.safe_load((folder / "Chart.yaml").read_text())
        texts[folder / "values.yaml"] = values(schema)
        texts[folder / "README.md"] = readme(chart, schema)
    return texts


def stale() -> list[Path]:
    """Generated files that are missing or say something else than their schema."""
    return [file for file, text in wanted().items() if not file.exists() or file.read_text() != text]


def main(arguments: list[str]) -> int:
    """Write the stale files, or with `--check` only name them; returns the exit code."""
    old = stale()
    if "--check" in arguments:
        for file in old:
            sys.stderr.write(f"{file.relative_to(ROOT)} is stale: run python -m infra.lab.charts_readme.\n")
        return 1 if old else 0
    for file in old:
        file.write_text(wanted()[file])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

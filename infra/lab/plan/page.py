"""A plan as one HTML page that needs nothing else: to send to whoever pays, or has to allow the ports."""

from __future__ import annotations

from pathlib import Path

import jinja2

from infra.cloud.user_data import MOST_BYTES
from infra.lab.plan.collect import Plan
from infra.lab.plan.text import objects
from infra.lab.plan.words import about

TEMPLATE = "page.html.j2"


def page(plan: Plan) -> str:
    """The page."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(TEMPLATE).render(plan=plan, most_bytes=MOST_BYTES, objects=objects, about=about)

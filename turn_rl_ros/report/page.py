"""A page that needs nothing beside it: a template, with every picture inside it."""

import base64
from collections.abc import Sequence
from typing import Any

import jinja2

from turn_rl_ros import __version__
from turn_rl_ros.report.style import Picture


def render_page(template: str, pictures: Sequence[tuple[Picture, bytes]], **values: Any) -> str:
    """The template as text; it sees `values`, `version`, and `figures` with each picture and its PNG as an address."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("turn_rl_ros.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = [
        {"picture": one, "uri": f"data:image/png;base64,{base64.b64encode(png).decode()}"} for one, png in pictures
    ]
    return environment.get_template(template).render(figures=figures, version=__version__, **values)

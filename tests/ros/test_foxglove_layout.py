"""config/foxglove.json shows topics that exist, and every panel that it sets up."""

import json
import re
from pathlib import Path

from turn_rl_ros.nodes import topics

LAYOUT = json.loads((Path(__file__).parents[2] / "config" / "foxglove.json").read_text(encoding="utf-8"))


def strings(tree):
    if isinstance(tree, str):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    return [text for part in parts for text in strings(part)]


def test_every_topic_is_one_of_ours():
    """In the namespace of the launch files; a message path goes on with a dot."""
    known = {one.name for one in vars(topics).values() if isinstance(one, topics.Topic)}
    named = {
        *strings(LAYOUT["configById"]),
        *(key for panel in LAYOUT["configById"].values() for key in panel.get("topics", {})),
    }
    shown = {re.split(r"[.\[]", text)[0] for text in named if text.startswith("/")}
    ours = {name if name.startswith("/") else f"/turn_rl/{name}" for name in known}
    assert len(shown) >= 7 and shown <= ours


def test_the_panels_on_the_screen_are_those_set_up():
    on_screen = [text for text in strings(LAYOUT["layout"]) if "!" in text]
    assert sorted(on_screen) == sorted(LAYOUT["configById"])

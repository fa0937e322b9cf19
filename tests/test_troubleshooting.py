"""docs/troubleshooting.md quotes only what the code still says, and the pages of docs/ can all be found."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUOTE = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def templates():
    """Every string of the code, with … for each value that is filled in."""
    for top in ("turn_rl_ros", "sim"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


SAID = list(templates())
QUOTED = QUOTE.findall((ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"))


def test_the_page_quotes_something():
    assert len(QUOTED) > 30
    assert len(QUOTED) == len(set(QUOTED))


@pytest.mark.parametrize("quoted", QUOTED)
def test_the_code_still_says_what_the_page_quotes(quoted):
    assert any(quoted in said for said in SAID)


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", index))
    assert linked == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []

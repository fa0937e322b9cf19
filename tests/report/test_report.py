"""The page holds the run's facts, needs nothing beside it, and says what is missing."""

import json
import re
from html.parser import HTMLParser

import pytest

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data.sealed import read_info
from turn_rl_ros.report.html import write_report


class Page(HTMLParser):
    """Cells of the per-turn table, every address that the page would fetch, and its text."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.addresses, self.words = [], [], []
        self._in_turns = self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.addresses += [value for key, value in given.items() if key in ("src", "href", "srcset", "data", "action")]
        self._in_turns = given.get("id") == "turns" if tag == "section" else self._in_turns
        if self._in_turns and tag == "tr":
            self.rows.append([])
        self._in_cell = self._in_cell or (self._in_turns and tag == "td")

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data):
        self.words.append(data)
        if self._in_cell:
            self.rows[-1].append(data.strip())

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page_of(run):
    return Page(write_report(run).read_text(encoding="utf-8"))


def session_of(run, turn):
    return next(path for path in (run / "sessions").glob("*.h5") if read_info(path).facts["turn"] == turn)


def test_table_is_the_summary(run):
    summary = json.loads((run / "summary.json").read_text())["turns"]
    rows = page_of(run).rows[1:]
    assert len(rows) == 2
    for number, (row, entry) in enumerate(zip(rows, summary, strict=True)):
        turn, minutes, transitions, changed, dropped, success, _, mean_return, training, wall, stop = row
        assert (turn, transitions, stop) == (str(number), "30", "window used up")
        assert minutes == f"{(number + 1) * 1.5 / 60:.2f}"  # robot time adds up over the turns
        assert float(success) == pytest.approx(entry["success_rate"], abs=0.005)
        assert float(mean_return) == pytest.approx(entry["mean_return"], abs=0.005)
        assert (training, wall) == ("2.2", "4.5")
        assert changed == "6.7 %"  # 2 of 30 rows
        assert dropped == str(number)


def test_page_needs_nothing_beside_it(run):
    path = write_report(run)
    page = Page(path.read_text(encoding="utf-8"))
    assert len(page.addresses) == 4
    assert all(address.startswith("data:image/png;base64,iVBORw0KGgo") for address in page.addresses)
    assert not re.search(r"https?://|@import|url\(|<script", path.read_text(encoding="utf-8"))


def test_every_figure_is_also_a_png(run):
    folder = write_report(run).parent
    pictures = {"learning.png", "distance.png", "visits.png", "accounts.png"}
    assert {path.name for path in folder.iterdir()} == {"index.html", *pictures}
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_whole_run_misses_nothing(run):
    assert "What is missing" not in page_of(run).text


def test_run_cut_during_training_shows_its_session_and_says_what_is_missing(run):
    summary = json.loads((run / "summary.json").read_text())
    del summary["turns"][1]
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "evaluations" / "turn-002.json").unlink()
    page = page_of(run)
    assert "Turn 1 has a session but did not end" in page.text
    assert "The policy of turn 1 was not evaluated" in page.text
    turn, minutes, transitions, _, _, success, interval, mean_return, training, wall, _ = page.rows[2]
    assert (turn, minutes, transitions) == ("1", "0.05", "30")
    assert (success, interval, mean_return, training, wall) == ("–",) * 5


def test_run_cut_in_its_first_session(run):
    (run / "summary.json").unlink()
    for path in (run / "evaluations").iterdir():
        path.unlink()
    session_of(run, 1).unlink()
    (run / "sessions" / "session-20260101T000000Z-cafe.h5.part").write_bytes(b"rows on their way")
    page = page_of(run)
    assert "Not scored yet, after 0.0 robot-minutes" in page.text
    assert "There is no summary.json yet" in page.text
    assert "Random motion was not evaluated" in page.text
    assert "session-20260101T000000Z-cafe.h5.part is not sealed" in page.text


def test_damaged_session_is_left_out_and_named(run):
    victim = session_of(run, 1)
    victim.write_bytes(victim.read_bytes()[:1000])
    page = page_of(run)
    assert f"A session file is left out: {victim.name}" in page.text
    assert "The session of turn 1 is not among the files" in page.text


def test_damaged_evaluation_and_summary_are_named(run):
    (run / "evaluations" / "turn-001.json").write_text('{"success_rate": 1.0}')
    (run / "summary.json").write_text("{")
    text = page_of(run).text
    assert "The evaluation turn-001.json cannot be read" in text
    assert "summary.json cannot be read" in text


def test_names_in_files_cannot_inject_markup(run):
    summary = json.loads((run / "summary.json").read_text())
    summary["env"] = "<script>alert(1)</script>"
    (run / "summary.json").write_text(json.dumps(summary))
    assert "<script" not in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_no_run_is_one_clear_line(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TurnRlError, match=r"is not a run directory|holds no readable sealed session") as error:
        write_report(tmp_path / name)
    assert "\n" not in str(error.value)

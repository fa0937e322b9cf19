"""The procedure against a crew that keeps a diary."""

import json

import pytest

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.turns import Score, Session, TurnsConfig, walk


class Diary:
    """Records what it was asked to do; optionally breaks once."""

    def __init__(self):
        self.done, self.seconds, self.policies, self.breaks_at = [], {}, set(), None

    def recorded(self, turn):
        return Session(self.seconds.get(turn, 0.0), round(self.seconds.get(turn, 0.0) * 20))

    def run_session(self, turn, window_s):
        self._note("session", turn)
        self.seconds[turn] = self.seconds.get(turn, 0.0) + window_s

    def has_policy(self, turn):
        return turn in self.policies

    def train(self, turn):
        self._note("train", turn)
        self.policies.add(turn)
        return 1.5

    def evaluate(self, turn):
        self._note("evaluate", turn)
        return Score(0.1 * turn, -50.0 + turn)

    def _note(self, *what):
        if what == self.breaks_at:
            self.breaks_at = None
            raise KeyboardInterrupt
        self.done.append(what)


def run(crew, tmp_path, **options):
    config = TurnsConfig(run_dir=str(tmp_path), turns=2, window_s=60.0, **options)
    return walk(config, crew, iter(range(1000)).__next__, lambda line: None)


STORY = [
    ("evaluate", 0),
    ("session", 0),
    ("train", 1),
    ("evaluate", 1),
    ("session", 1),
    ("train", 2),
    ("evaluate", 2),
]


def test_a_turn_is_session_training_and_score_in_this_order(tmp_path):
    crew = Diary()
    summary = run(crew, tmp_path)
    assert crew.done == STORY
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["turns"][1] == {
        "turn": 1,
        "robot_seconds": 60.0,
        "transitions": 1200,
        "success_rate": 0.2,
        "mean_return": -48.0,
        "train_seconds": 1.5,
        "wall_seconds": 1,
    }


@pytest.mark.parametrize("cut", STORY)
def test_cut_anywhere_it_resumes_and_does_no_session_or_training_twice(tmp_path, cut):
    crew = Diary()
    crew.breaks_at = cut
    with pytest.raises(KeyboardInterrupt):
        run(crew, tmp_path)
    run(crew, tmp_path)
    work = [what for what in crew.done if what[0] != "evaluate"]
    assert work == [what for what in STORY if what[0] != "evaluate"]
    assert crew.seconds == {0: 60.0, 1: 60.0}


def test_a_window_that_was_cut_gets_only_what_is_left_of_it(tmp_path):
    crew = Diary()
    crew.seconds[0] = 45.0
    run(crew, tmp_path)
    assert crew.seconds[0] == 60.0


@pytest.mark.parametrize(("growth", "seconds"), [(2.0, {0: 60.0, 1: 120.0}), (0.5, {0: 60.0, 1: 30.0})])
def test_windows_may_grow_or_shrink_and_a_cut_one_keeps_its_own_length(tmp_path, growth, seconds):
    crew = Diary()
    crew.breaks_at = ("session", 1)
    with pytest.raises(KeyboardInterrupt):
        run(crew, tmp_path, window_growth=growth)
    crew.seconds[1] = 20.0
    run(crew, tmp_path, window_growth=growth)
    assert crew.seconds == seconds


def test_when_training_fails_the_turns_go_on(tmp_path):
    crew = Diary()

    def fails(turn):
        raise TurnRlError("loss is nan")

    crew.train = fails
    turns = run(crew, tmp_path)["turns"]
    assert [entry["train_seconds"] for entry in turns] == [0.0, 0.0]
    assert [entry["success_rate"] for entry in turns] == [0.0, 0.0], "the deployed policy is still the random one"


def test_a_run_directory_belongs_to_one_environment(tmp_path):
    run(Diary(), tmp_path, env="panda")
    with pytest.raises(TurnRlError, match="choose another run_dir"):
        run(Diary(), tmp_path, env="gridworld")

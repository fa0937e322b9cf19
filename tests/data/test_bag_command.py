"""`turn-rl bag`: from a bag over a drafted mapping to sessions, and what a user can get wrong."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")
import bag_data as made
import yaml

from turn_rl_ros.cli import app
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.data.bags.mapping import Mapping, mapping_text, read_mapping
from turn_rl_ros.data.dataset import load_dataset

EXAMPLES = Path(__file__).parents[2] / "config" / "mappings"
RATE = mapping_text(Mapping()).splitlines()[0]


def run(*arguments):
    done = CliRunner().invoke(app, ["bag", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture
def bag(tmp_path):
    messages = []
    for tick in range(20):
        messages.append(made.state(tick, (0.05 * tick, 0.0), (0.5, 0.0)))
        messages.append(made.numbers(tick + 0.2, (0.5, 0.0), topic="/arm/velocity_command"))
    return made.write(tmp_path / "bag", messages)


@pytest.fixture
def task(tmp_path):
    made.planar_spec(tmp_path)
    values = {"kind": "reach", "urdf": str(tmp_path / "planar.urdf"), "tip_link": "tip", "joint_names": ["a", "b"],
              "home": [0.0, 0.0], "rate_hz": 20.0}  # fmt: skip
    path = tmp_path / "arm.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"task": values}}}))
    return path


def test_a_drafted_mapping_imports_a_plain_bag_as_it_is(tmp_path, bag, task):
    assert run("mapping", bag, "--out", tmp_path / "mapping.yaml")[0] == 0
    code, said = run(
        "import", bag, "--mapping", tmp_path / "mapping.yaml", "--task", task, "--out", tmp_path / "sessions"
    )
    assert code == 0, said
    data = load_dataset(tmp_path / "sessions")
    assert len(data) == 19, "the last command has no state after it"
    assert data.spec.rate_hz == 10.0, "as measured, not as the task's file has it"
    assert data.sessions[0].facts["derived_from"]["format"] == "rosbag2"
    assert data.sessions[0].facts["drops"] == {"lost_next_state": 1}


def test_info_tells_what_is_in_a_bag(bag):
    code, said = run("info", bag, "--json")
    assert code == 0
    told = json.loads(said)
    states, commands = sorted(told["topics"], key=lambda topic: topic["kind"])
    assert (states["name"], states["messages"], states["joints"]) == ("/joint_states", 20, ["a", "b"])
    assert states["rate_hz"] == pytest.approx(10.0)
    assert told["mapping"]["commands"]["topic"] == commands["name"] == "/arm/velocity_command"
    assert "velocity_command" in run("info", bag)[1].replace("\n", "")


def test_a_written_mapping_reads_back_as_it_was(tmp_path):
    mapping = Mapping(
        12.5,
        made.States("/s", joints=("x", "y"), names=("y", "x"), time="receive", velocity="difference"),
        made.Commands("/c", "position"),
        made.Goals("topic", "/g"),
        made.Episodes("/e", gap_s=0.5, new_goal=False, steps=7),
    )
    path = tmp_path / "mapping.yaml"
    path.write_text(mapping_text(mapping, "why\nand how"))
    read = read_mapping(path)
    assert read == Mapping(12.5, mapping.states, read.commands, mapping.goal, mapping.episodes)
    assert (read.commands.topic, read.commands.kind, read.commands.joints) == ("/c", "position", ())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_example_has_every_parameter_with_what_it_means(path):
    text = path.read_text()
    why = "\n".join(line.removeprefix("# ") for line in text.splitlines()[: text.splitlines().index(RATE)])
    assert mapping_text(read_mapping(path), why) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("states: {topik: /s}", "states: States has no parameter 'topik'; did you mean 'topic'?"),
        ("states: {time: never}", "states: time must be one of header, receive, not 'never'"),
        ("action: {}", "unknown section 'action'; known: rate_hz, states, commands, goal, episodes"),
        ("goal: {source: topic}", "goal.source is topic, so goal.topic must name it"),
        ("rate_hz: fast", "rate_hz must be a number, not 'fast'"),
        ("states: [a]", "states must hold parameters"),
        ("just words", "is no mapping"),
        ("{", "is not YAML"),
    ],
)
def test_a_mapping_with_a_mistake_is_refused_with_its_place(tmp_path, text, words):
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_mapping(path)
    assert words in str(caught.value)


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path, bag, task):
    mapping, out = tmp_path / "mapping.yaml", tmp_path / "sessions"
    run("mapping", bag, "--out", mapping)
    code, said = run("mapping", bag, "--out", mapping)
    assert code == 2 and "File exists" in said
    out.mkdir()
    code, said = run("import", bag, "--mapping", mapping, "--task", task, "--out", out)
    assert code == 2 and "exists and is not overwritten" in said
    code, said = run("import", bag, tmp_path / "none", "--mapping", mapping, "--task", task, "--out", tmp_path / "two")
    assert code == 2 and "does not exist" in said
    assert not (tmp_path / "two").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".two")]

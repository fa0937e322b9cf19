"""Recordings of other people's robots: each is imported, or refused in one line; what is wrong in it is named."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.data.bags.convert import import_bags
from turn_rl_ros.data.bags.draft import draft
from turn_rl_ros.data.bags.inspect import inspect
from turn_rl_ros.data.bags.mapping import Commands, Mapping, States
from turn_rl_ros.data.bags.reader import Bag
from turn_rl_ros.data.sealed import read_info, read_rows

BAGS = Path(os.environ.get("TURN_RL_TEST_DATA", "")) / "bags"
pytestmark = pytest.mark.skipif(
    "TURN_RL_TEST_DATA" not in os.environ or not BAGS.is_dir(), reason="TURN_RL_TEST_DATA names no folder with bags"
)
SERVO = ("q1", "q2", "q3")
SERVO_STATES = States("/servo/out/state", names=SERVO)
REFERENCES = "/servo/in/references/joint_references"
POSITIONS = "/controller/out/servo_positions"


def servo_spec(folder, rate_hz):
    """Three joints in a row; the real arm's lengths do not matter here."""
    links = "".join(f'<link name="l{n}"/>' for n in range(4))
    joints = "".join(
        f'<joint name="{name}" type="revolute"><parent link="l{n}"/><child link="l{n + 1}"/><origin xyz="0.2 0 0"/>'
        '<axis xyz="0 0 1"/><limit lower="-6" upper="6" velocity="5"/></joint>'
        for n, name in enumerate(SERVO)
    )
    (folder / "servo.urdf").write_text(f'<robot name="servo">{links}{joints}</robot>')
    return make_spec({
        "urdf": str(folder / "servo.urdf"), "tip_link": "l3", "joint_names": SERVO, "home": (0.0,) * 3,
        "rate_hz": rate_hz, "max_joint_velocity": 10.0,
    })  # fmt: skip


def imported(folder, name, spec, mapping):
    (made,) = import_bags([BAGS / name], folder / "sessions", spec, mapping)
    return np.concatenate([read_rows(read_info(path)) for path in made.sessions]), made.notes


def test_panda_exciting_gives_a_row_between_each_two_states(tmp_path):
    pytest.importorskip("pybullet_data", reason="the URDF of the Panda comes with PyBullet")
    spec = make_spec({"rate_hz": 30.0, "max_joint_velocity": 2.0})
    joints = tuple(f"fer_joint{n}" for n in range(1, 8))
    rows, notes = imported(tmp_path, "panda_exciting", spec, Mapping(states=States(joints=joints)))
    assert len(rows) == 726
    assert notes == ("there is no metadata.yaml; the files are taken by name",), "the first stamp, zero, is a true one"
    # What the joints did fits what the arm measured on the way: a second, independent source.
    measured = (rows["joint_velocity"] + rows["next_joint_velocity"]) / 2
    assert np.abs(rows["actions"] - measured).mean() < 0.02


def test_wraps_of_the_servos_are_named_and_no_row_spans_one(tmp_path):
    rows, notes = imported(tmp_path, "ats_static_invz", servo_spec(tmp_path, 25.0), Mapping(states=SERVO_STATES))
    assert len(rows) > 3000
    assert np.abs(rows["next_joint_position"] - rows["joint_position"]).max() < 0.35
    assert notes[0].startswith("/servo/out/state, message 496: q2 jumped by 1.47 in 40 ms")
    assert "(51 such messages)" in notes[0]


def test_gaps_of_a_minute_in_the_commands_are_named_and_no_row_spans_one(tmp_path):
    """The references also carry velocities, all zero, which no bound forbids."""
    mapping = Mapping(states=SERVO_STATES, commands=Commands(REFERENCES, "velocity", time="header"))
    rows, notes = imported(tmp_path, "ats_static_invz", servo_spec(tmp_path, 25.0), mapping)
    assert 500 < len(rows) <= 755
    assert (rows["next_stamp_ns"] - rows["stamp_ns"] < 60_000_000).all(), "one control period and a half"
    assert any(f"{REFERENCES}, message 4: 63.5 s without a usable command before it" in note for note in notes)


def test_a_step_of_the_reference_is_no_velocity_of_a_servo(tmp_path):
    mapping = Mapping(states=SERVO_STATES, commands=Commands(REFERENCES, "position", time="header"))
    _, notes = imported(tmp_path, "ats_static_invz", servo_spec(tmp_path, 25.0), mapping)
    assert f"{REFERENCES}, message 2: its action q1 = 32.5 rad/s is outside the task's [-10, 10]" in notes[0]


REFUSED = {
    "ats_static_invz": (
        Mapping(states=States("/servo/out/state")), "/servo/out/state, message 1: it has no joint names"),
    "awkward_ats_zero_stamp_commands": (
        Mapping(states=SERVO_STATES, commands=Commands(REFERENCES, "position", names=SERVO, time="header")),
        f"{REFERENCES}, message 1: its header stamp is zero"),
    "ats_2025-12-02_12-44-28": (
        Mapping(states=States("/fmu/out/vehicle_odometry")), "has the type px4_msgs/msg/VehicleOdometry; states can"),
    "awkward_fanuc_no_metadata_same_stamp": (
        Mapping(), "has no topic '/joint_states' for states; it has /geometry_msgs"),
    "awkward_custom_type_db3": (
        Mapping(states=States("/test_topic")), "/test_topic has the type test_msgs/msg/BasicTypes; states can"),
    "awkward_empty_bag_db3": (Mapping(), "has no topic '/joint_states'"),
    "awkward_multifile_db3_wbag": (Mapping(), "has no topic '/joint_states'"),
    "awkward_zstd_file_compression": (Mapping(states=States("/topic")), "/topic has the type std_msgs/msg/String"),
    "awkward_zstd_message_compression": (Mapping(states=States("/topic")), "/topic has the type std_msgs/msg/String"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line_that_says_why(tmp_path, name):
    mapping, words = REFUSED[name]
    with pytest.raises(TurnRlError) as caught:
        imported(tmp_path, name, servo_spec(tmp_path, 25.0), mapping)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sessions").exists()


def test_of_an_mcap_bag_with_unknown_types_the_known_ones_are_imported(tmp_path):
    """States come at 15.625 Hz; each but the first ends a row."""
    mapping = Mapping(states=States("/servo/out/state", joints=("q0", "q1", "q2")))
    rows, notes = imported(tmp_path, "ats_2025-12-02_12-44-28", servo_spec(tmp_path, 15.625), mapping)
    assert (len(rows), notes) == (123, ())


FINDINGS = {
    "ats_static_invz": (
        "no joint names: give 3", "message 4 came 63.5 s after", "51 jumps that no velocity explains (encoder wraps?)"),
    "awkward_ats_zero_stamp_commands": ("21 header stamps are zero",),
    "awkward_fanuc_no_metadata_same_stamp": ("all 100 messages have one receive time",),
    "awkward_custom_type_db3": ("no standard message type",),
    "ats_2025-12-02_12-44-28": ("no standard message type",),
}  # fmt: skip


@pytest.mark.parametrize("name", FINDINGS)
def test_info_finds_what_is_wrong(name):
    found = [finding for topic in inspect(Bag(BAGS / name)) for finding in topic.findings]
    for words in FINDINGS[name]:
        assert any(words in finding for finding in found), words


@pytest.mark.parametrize(
    ("name", "messages"),
    [("awkward_zstd_file_compression", 775), ("awkward_zstd_message_compression", 1127),
     ("awkward_multifile_db3_wbag", 6074), ("awkward_empty_bag_db3", 0)],
)  # fmt: skip
def test_compressed_split_and_empty_bags_are_read_whole(name, messages):
    assert sum(topic.messages for topic in inspect(Bag(BAGS / name))) == messages


@pytest.mark.parametrize(
    ("name", "states", "commands"),
    [("panda_exciting", "/joint_states", ""), ("ats_static_invz", "/servo/out/state", REFERENCES),
     ("ats_2025-12-02_12-44-28", "/servo/out/state", POSITIONS)],
)  # fmt: skip
def test_the_draft_finds_states_and_commands(name, states, commands):
    mapping, _ = draft(inspect(Bag(BAGS / name)))
    assert (mapping.states.topic, mapping.commands.topic) == (states, commands)

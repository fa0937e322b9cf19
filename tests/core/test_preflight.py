"""The checklist and what it judges by, worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from turn_rl_ros.core.description import disagreement
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.hardware import dry_run_folder, on_the_arm
from turn_rl_ros.core.homing import HomingConfig, way_home, way_to_stop
from turn_rl_ros.core.parameter_file import shipped_file
from turn_rl_ros.core.preflight import Facts, PreflightConfig, checklist
from turn_rl_ros.core.robot import read_urdf
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.core.times import seconds

UR10 = "sim:robots/ur10.urdf"
JOINTS = ["shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint"]
CONTROLLER = "forward_velocity_controller"


@pytest.fixture(scope="module")
def spec():
    home = [0.0, -1.5708, 1.5708, -1.5708, -1.5708, 0.0]
    return make_spec(
        {"kind": "reach", "robot": "ur10", "urdf": UR10, "tip_link": "tool0", "joint_names": JOINTS, "home": home}
    )


@pytest.fixture
def facts(spec):
    """All is well: 100 Hz, 10 ms late."""
    return Facts(
        stamps_ns=[k * 10_000_000 for k in range(101)],
        lags_s=[0.01] * 101,
        names=JOINTS,
        position=np.array(spec.details["home"]),
        velocity=np.zeros(6),
        drivers=["/driver"],
        description=read_urdf(UR10),
        command_topic=f"/{CONTROLLER}/commands",
        listeners=1,
        commanders=["/guard"],
        controllers={CONTROLLER: "active"},
        crew={"guard": {"estop": "", "spent": "window used up"}, "executor": {"refused": ""}, "collector": {}},
        disk="5 GB free",
        policy="none yet",
    )


def failed(facts, spec, **config):
    lines = checklist(facts, spec, PreflightConfig(**config))
    assert all(line.ok or line.mend for line in lines)
    return {line.name: line.measured for line in lines if not line.ok}


def test_nothing_is_wrong(facts, spec):
    assert failed(facts, spec) == {}


@pytest.mark.parametrize(
    ("changes", "line", "says"),
    [
        (
            {"stamps_ns": [k * 100_000_000 for k in range(21)]},
            "joint states",
            "10.0 Hz, largest gap 100 ms; the task needs 20",
        ),
        ({"stamps_ns": [k * 10_000_000 for k in (*range(40), *range(60, 101))]}, "joint states", "largest gap 210 ms"),
        ({"stamps_ns": [], "lags_s": []}, "joint states", "0 in 2 s"),
        ({"drivers": ["/a", "/b"]}, "one driver", "from /a, /b"),
        ({"state_fault": "joint_states has no joint 'x'"}, "joint names", "no joint 'x'"),
        ({"position": np.array([0, 0, 3.2, 0, 0, 0.0])}, "position", "elbow_joint is at 3.200, outside -3.14159"),
        ({"velocity": np.array([0, 0, 0, 0, 0, -0.1])}, "at rest", "0.100 rad/s"),
        ({"lags_s": [-0.3] * 101}, "clock in step", "-300 ms"),
        ({"description": ""}, "robot description", "nothing on robot_description"),
        ({"listeners": 0}, "controller listens", "nobody listens to /forward_velocity_controller/commands"),
        ({"commanders": ["/guard", "/teleop"]}, "guard alone commands", "so does /teleop"),
        ({"controllers": None}, "controller active", "no controller manager answers"),
        ({"controllers": {}}, "controller active", "not loaded; active: none"),
        ({"disk_fault": "a window of 600 s needs 3 MB"}, "disk", "needs 3 MB"),
        ({"policy_fault": "trained for task 12ab"}, "policy", "12ab"),
    ],
)
def test_one_thing_is_wrong(facts, spec, changes, line, says):
    found = failed(replace(facts, **changes), spec)
    assert list(found) == [line] and says in found[line]


@pytest.mark.parametrize(
    ("crew", "says"),
    [
        ({"guard": {"estop": "button"}}, {"e-stop": "latched: button"}),
        ({"guard": {"spent": "wear budget used up: travel of a"}}, {"wear budget": "wear budget used up: travel of a"}),
        ({"executor": {"refused": "bad sha256"}}, {"executor": "bad sha256"}),
        ({"collector": None}, {"collector": "not heard"}),
    ],
)
def test_what_the_crew_says_counts(facts, spec, crew, says):
    heard = {name: state for name, state in (facts.crew | crew).items() if state is not None}
    assert failed(replace(facts, crew=heard), spec) == says


def test_the_mend_is_a_command_that_can_be_pasted(facts, spec):
    """A second arm, in the namespace left."""
    heard = facts.crew | {"guard": {"estop": "button"}}
    changes = {"crew": heard, "command_topic": f"/left/{CONTROLLER}/commands"}
    changes |= {"controllers": {CONTROLLER: "inactive", "a": "active", "b": "inactive"}}
    mends = [line.mend for line in checklist(replace(facts, **changes), spec, PreflightConfig()) if not line.ok]
    assert mends == [
        f"ros2 control switch_controllers --activate {CONTROLLER} --deactivate a",
        "release the button, then: ros2 service call /left/guard/estop std_srvs/srv/SetBool '{data: false}'",
    ]


def test_a_dry_run_needs_no_controller(facts, spec):
    assert failed(replace(facts, listeners=0, controllers=None), spec, dry_run=True) == {}


def test_a_looser_limit_than_the_robot_s_is_a_disagreement_and_a_tighter_one_is_not(spec):
    """The UR10's shoulder may turn at 120 deg/s = 2.0944 rad/s, its elbow to pi."""
    text = read_urdf(UR10)
    assert disagreement(spec, text) == ""
    loose = replace(spec, joint_velocity=(2.2, *spec.joint_velocity[1:]))
    assert disagreement(loose, text) == (
        "velocity limit of shoulder_pan_joint is 2.2 in the task and 2.0944 on the robot"
    )
    assert disagreement(replace(spec, joint_velocity=(0.5,) * 6), text) == ""
    wide = replace(spec, joint_high=(*spec.joint_high[:2], 3.5, *spec.joint_high[3:]))
    assert "upper limit of elbow_joint is 3.5 in the task and 3.14159" in disagreement(wide, text)


def test_a_longer_forearm_is_a_disagreement_a_calibrated_one_is_not(spec):
    """The forearm's length moves the tool by its own change, whatever the posture."""
    text = read_urdf(UR10)
    assert disagreement(spec, text.replace("-0.5723 0", "-0.5733 0")) == ""
    assert disagreement(spec, text.replace("-0.5723 0", "-0.6723 0")) == (
        "the end effector is up to 100.0 mm elsewhere on the robot"
    )
    assert "no limited joint" in disagreement(spec, text.replace("wrist_3_joint", "wrist_7_joint"))


def test_the_ur10_s_tool_is_where_its_data_sheet_has_it(spec):
    """Joints at zero: a2 + a3 ahead, d4 + d6 to the side, d1 - d5 up."""
    tip = make_task(spec).chain.position(np.zeros(6))
    np.testing.assert_allclose(tip, [0.612 + 0.5723, 0.163941 + 0.0922, 0.1273 - 0.1157], atol=1e-9)


def test_a_way_home_keeps_its_stated_speed_and_acceleration():
    """1.2 rad. By speed 0.3: 1.5 * 1.2 / 0.3 = 6 s; by acceleration 0.1: sqrt(6 * 1.2 / 0.1) = 8.485 s."""
    here, home = np.array([1.2, 0.3]), np.zeros(2)
    assert way_home(here, home, HomingConfig(speed=0.3, acceleration=10.0)).seconds == pytest.approx(6.0)
    assert way_home(here, home, HomingConfig(speed=0.3, acceleration=0.1)).seconds == pytest.approx(math.sqrt(72))
    way = way_to_stop(here, np.array([0.3, -0.15]), HomingConfig(acceleration=0.5))
    assert way.seconds == pytest.approx(1.2)
    np.testing.assert_allclose(way.position, [1.2 + 0.12, 0.3 - 0.06])


@pytest.mark.parametrize(("text", "value"), [("600", 600.0), ("90s", 90.0), ("10min", 600.0), ("1.5h", 5400.0)])
def test_times_as_people_write_them(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "ten", "10 minutes", "-5", "1e3"])
def test_what_is_no_time_says_how_to_write_one(text):
    with pytest.raises(ConfigError, match=r"window = .* is no time; write it as 600, 90s, 10min"):
        seconds(text, "window")


def changes_for(tmp_path, fetched="<robot/>", **given):
    changes, asked = {}, []

    def fetch(topic):
        asked.append(topic)
        return fetched

    on_the_arm(changes, shipped_file("ur10_hardware.yaml"), tmp_path, fetch, **{"dry": False, "mock": False, **given})
    return changes, asked


def test_the_description_is_fetched_once_and_kept(tmp_path):
    for times in ([["robot_description"]], [[]]):
        changes, asked = changes_for(tmp_path)
        assert [asked] == times
        assert changes["/**"]["task"]["urdf"] == str(tmp_path / "robot.urdf")
    assert (tmp_path / "robot.urdf").read_text() == "<robot/>"


def test_the_stand_in_has_its_own_description_and_no_ledger_of_the_arm_s(tmp_path):
    changes, asked = changes_for(tmp_path, mock=True)
    assert asked == [] and changes["/**"]["task"]["urdf"] == UR10 and changes["guard"]["ledger"] == ""


def test_a_dry_run_has_a_folder_of_its_own_and_the_run_s_policies(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "turn-001.safetensors").touch()
    folder = dry_run_folder(tmp_path)
    assert folder == tmp_path / "dry_run" and [p.name for p in (folder / "policies").iterdir()] == [
        "turn-001.safetensors"
    ]
    guard = changes_for(tmp_path, dry=True)[0]["guard"]
    assert guard == {"dry_run": True, "frozen_travel": 0.0, "ledger": ""}

"""The scenario files in config/: every parameter of every node once, and nothing that no node knows."""

from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from sim.arm_node import ArmConfig
from sim.stand_in import StandInConfig
from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.door import Disturbance
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.guard.guard import GuardConfig
from turn_rl_ros.core.hardware import HARDWARE, STAND_IN
from turn_rl_ros.core.homing import HomingConfig
from turn_rl_ros.core.parameter_file import BASED_ON, parameter_tree
from turn_rl_ros.core.pilot import PilotConfig
from turn_rl_ros.core.preflight import PreflightConfig
from turn_rl_ros.core.rollback import TrialConfig
from turn_rl_ros.core.scenario import SCENARIOS
from turn_rl_ros.core.task import CONFIGS, make_spec
from turn_rl_ros.core.turns import TurnsConfig
from turn_rl_ros.learn.algorithms import ALGORITHMS
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.selection import SelectionConfig
from turn_rl_ros.nodes.collector import CollectorConfig
from turn_rl_ros.nodes.delivery import DeliveryConfig
from turn_rl_ros.nodes.recorder import RecorderConfig
from turn_rl_ros.nodes.replay import ReplayConfig
from turn_rl_ros.nodes.shadow import ShadowConfig
from turn_rl_ros.nodes.sync import SyncConfig
from turn_rl_ros.nodes.trainer import TrainerNodeConfig

CONFIG = Path(__file__).parents[1] / "config"
NODES = {
    "arm": [ArmConfig, Disturbance],
    "guard": [GuardConfig],
    "executor": [PilotConfig, DeliveryConfig, TrialConfig],
    "collector": [CollectorConfig],
    "trainer": [TrainerNodeConfig, TrainerConfig, SelectionConfig],
    "sync": [SyncConfig],
    "director": [TurnsConfig],
    "replay": [ReplayConfig],
    "recorder": [RecorderConfig],
    "shadow": [ShadowConfig],
}
ON_THE_ARM = {"homing": [HomingConfig], "preflight": [PreflightConfig], "stand_in": [StandInConfig]}
FILES = sorted(CONFIG.glob("*.yaml"))


class OnceLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in one block, where YAML would take the last one in silence."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key stands twice in {keys}"
        return super().construct_mapping(node, deep=deep)


def names(*kinds):
    return [item.name for kind in kinds for item in fields(kind)]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request):
    return request.param


def nodes_of(path):
    return NODES | (ON_THE_ARM if path.name in HARDWARE.values() else {})


def blocks(path):
    """Node -> its block, with what the file is based on."""
    own = yaml.load(path.read_text(encoding="utf-8"), OnceLoader)
    own.pop(BASED_ON, None)
    assert all(set(block) == {"ros__parameters"} for block in own.values())
    return {key: block["ros__parameters"] for key, block in parameter_tree(path).items()}


def test_there_is_one_file_for_each_environment_and_each_real_arm():
    assert {path.name for path in FILES} == {*SCENARIOS.values(), *HARDWARE.values()}


def test_every_parameter_stands_once_and_no_other(path):
    tree = blocks(path)
    common = tree.pop("/**")
    assert set(common) == {"use_sim_time", "task"}
    assert sorted(common["task"]) == sorted(names(CONFIGS[common["task"]["kind"]]))
    behaviour = tree["/**/executor"].pop("behaviour")
    assert sorted(behaviour) == sorted(names(BehaviourConfig))
    algorithm = ALGORITHMS[tree["/**/trainer"]["algorithm"]]
    assert sorted(tree["/**/trainer"].pop(algorithm.name)) == sorted(names(algorithm.Config))
    assert {key: sorted(values) for key, values in tree.items()} == {
        f"/**/{node}": sorted(names(*kinds)) for node, kinds in nodes_of(path).items()
    }


def test_every_value_is_in_its_range(path):
    for node, kinds in nodes_of(path).items():
        values = {k: v for k, v in scenario_section(path, node).items() if k != "use_sim_time"}
        for kind in kinds:
            from_mapping(kind, {k: v for k, v in values.items() if k in names(kind)}, path.name)
    from_mapping(BehaviourConfig, scenario_section(path, "executor", "behaviour"), path.name)
    algorithm = ALGORITHMS[scenario_section(path, "trainer")["algorithm"]]
    from_mapping(algorithm.Config, scenario_section(path, "trainer", algorithm.name), path.name)


def test_every_value_says_what_it_is_and_in_which_unit(path):
    """Each line with a value carries a comment, beside it or above it; one with a unit names the unit."""
    kinds = {"/**": CONFIGS[scenario_section(path, "arm", "task")["kind"]], "behaviour": BehaviourConfig}
    kinds |= {name: algorithm.Config for name, algorithm in ALGORITHMS.items()}
    units = {
        (f"/**/{node}", item.name): item.metadata["unit"]
        for node, known in nodes_of(path).items()
        for kind in known
        for item in fields(kind)
    }
    units |= {(block, item.name): item.metadata["unit"] for block, kind in kinds.items() for item in fields(kind)}
    block = ""
    for before, line in pairwise(path.read_text(encoding="utf-8").splitlines()):
        name, colon, value = line.strip().partition(":")
        if name in kinds or line.startswith("/"):
            block = name
        elif colon and value and not name.startswith(("#", BASED_ON)):
            said = line if "#" in value else before
            assert "#" in said, f"{path.name}: {name} has no comment"
            unit = units.get((block, name))
            assert not unit or f"[{unit}]" in said, f"{path.name}: {name} has no unit"


def test_the_task_can_be_made(path):
    if "urdf" in scenario_section(path, "arm", "task"):
        pytest.importorskip("pybullet_data", reason="the Panda's URDF comes with PyBullet, which is not installed")
    env, task = scenario_section(path, "director")["env"], scenario_section(path, "arm", "task")
    if path.name in HARDWARE.values():
        assert HARDWARE[env] == path.name
        task |= STAND_IN[env]
    else:
        assert SCENARIOS[env] == path.name
    spec = make_spec(task)
    size = {"gridworld": 5, "ee_velocity": 3}.get(task.get("action", task["kind"]), len(spec.joint_names))
    assert spec.action.size == size

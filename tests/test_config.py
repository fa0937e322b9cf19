"""The scenario files in config/: every parameter of every node once, and nothing that no node knows."""

from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from sim.arm_node import ArmConfig
from turn_rl_ros.core.config import from_mapping, scenario_section
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.guard.guard import GuardConfig
from turn_rl_ros.core.pilot import PilotConfig
from turn_rl_ros.core.rollback import TrialConfig
from turn_rl_ros.core.scenario import SCENARIOS
from turn_rl_ros.core.task import CONFIGS, make_spec
from turn_rl_ros.core.turns import TurnsConfig
from turn_rl_ros.learn.algorithms import ALGORITHMS
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.selection import SelectionConfig
from turn_rl_ros.nodes.collector import CollectorConfig
from turn_rl_ros.nodes.delivery import DeliveryConfig
from turn_rl_ros.nodes.trainer import TrainerNodeConfig

CONFIG = Path(__file__).parents[1] / "config"
NODES = {
    "arm": [ArmConfig],
    "guard": [GuardConfig],
    "executor": [PilotConfig, DeliveryConfig, TrialConfig],
    "collector": [CollectorConfig],
    "trainer": [TrainerNodeConfig, TrainerConfig, SelectionConfig],
    "director": [TurnsConfig],
}
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


def blocks(path):
    tree = yaml.load(path.read_text(encoding="utf-8"), OnceLoader)
    assert all(set(block) == {"ros__parameters"} for block in tree.values())
    return {key: block["ros__parameters"] for key, block in tree.items()}


def test_there_is_one_file_for_each_environment():
    assert {path.name for path in FILES} == set(SCENARIOS.values())


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
        f"/**/{node}": sorted(names(*kinds)) for node, kinds in NODES.items()
    }


def test_every_value_is_in_its_range(path):
    for node, kinds in NODES.items():
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
        (f"/**/{node}", item.name): item.metadata["unit"] for node in NODES for k in NODES[node] for item in fields(k)
    }
    units |= {(block, item.name): item.metadata["unit"] for block, kind in kinds.items() for item in fields(kind)}
    block = ""
    for before, line in pairwise(path.read_text(encoding="utf-8").splitlines()):
        name, colon, value = line.strip().partition(":")
        if name in kinds or line.startswith("/"):
            block = name
        elif colon and value and not name.startswith("#"):
            said = line if "#" in value else before
            assert "#" in said, f"{path.name}: {name} has no comment"
            unit = units.get((block, name))
            assert not unit or f"[{unit}]" in said, f"{path.name}: {name} has no unit"


def test_the_task_can_be_made(path):
    if "urdf" in scenario_section(path, "arm", "task"):
        pytest.importorskip("pybullet_data", reason="the Panda's URDF comes with PyBullet, which is not installed")
    env = scenario_section(path, "director")["env"]
    assert SCENARIOS[env] == path.name
    spec = make_spec(scenario_section(path, "arm", "task"))
    assert spec.action.size == {"panda": 7, "panda_ee": 3, "gridworld": 5}[env]

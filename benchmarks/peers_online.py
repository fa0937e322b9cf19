"""Online learners on the same environment: SAC and TQC with hindsight (Stable-Baselines3), installed apart from ours.

Arguments: algorithm (sac, tqc), seed, robot-minutes, goals of each evaluation. Prints one JSON object a robot-minute:
{"minutes", "success"}. Settings are those of RL Baselines3 Zoo for FetchReach, the closest task that it has. Each
episode begins at home at no cost of robot time, which the learner in turns has to pay for: a head start for the peers.
"""

import json
import sys
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import TQC
from stable_baselines3 import SAC
from stable_baselines3.her import HerReplayBuffer

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.evaluation import held_out_goals
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.core.task import make_spec

HELD_OUT_SEED = 12345
SETTINGS: dict[str, Any] = {
    "batch_size": 256,
    "gamma": 0.95,
    "learning_rate": 1e-3,
    "learning_starts": 1000,
    "ent_coef": "auto",
    "policy_kwargs": {"net_arch": [64, 64]},
    "replay_buffer_kwargs": {"n_sampled_goal": 4, "goal_selection_strategy": "future"},
}


class Goals(gymnasium.Env):
    """The simulated arm in the form that hindsight wants: what was reached and what was wanted, apart."""

    def __init__(self, seed: int) -> None:
        self._env = make_env(make_spec(scenario_section(scenario_file("panda"), "arm", "task")), seed)
        self.task = self._env.task
        size = self._env.observation_space.shape[0] - 3
        boxes = {"observation": size, "achieved_goal": 3, "desired_goal": 3}
        self.observation_space = spaces.Dict({k: spaces.Box(-np.inf, np.inf, (n,)) for k, n in boxes.items()})
        self.action_space = self._env.action_space

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        """As `sim.env.ArmEnv`."""
        observation, info = self._env.reset(seed=seed, options=options)
        return self._split(observation, info), info

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """As `sim.env.ArmEnv`."""
        observation, reward, terminated, truncated, info = self._env.step(action)
        return self._split(observation, info), reward, terminated, truncated, info

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: object) -> np.ndarray:
        """The task's own, for relabelled goals."""
        return self.task.reward_at(achieved, desired)

    def _split(self, observation: np.ndarray, info: dict) -> dict:
        place = observation[-6:-3]
        return {"observation": observation[:-3], "achieved_goal": place, "desired_goal": np.float32(info["goal"])}


def success(model: Any, env: Goals, goals: int) -> float:
    """Share of the held-out goals reached, without exploration."""
    reached = 0
    for index, goal in enumerate(held_out_goals(env.task, goals, HELD_OUT_SEED)):
        observation, info = env.reset(seed=index, options={"goal": goal})
        done = False
        while not done:
            action, _ = model.predict(observation, deterministic=True)
            observation, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        reached += info["is_success"]
    return reached / goals


def main() -> None:
    """Learn, and score after every robot-minute."""
    name, seed, minutes, goals = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(1)
    env, judge = Goals(seed), Goals(seed)
    kind = {"sac": SAC, "tqc": TQC}[name]
    model = kind("MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer, seed=seed, device="cpu", **SETTINGS)
    steps = round(60 * env.task.spec.rate_hz)
    for minute in range(1, minutes + 1):
        model.learn(steps, reset_num_timesteps=False)
        print(json.dumps({"minutes": minute, "success": success(model, judge, goals)}), flush=True)


if __name__ == "__main__":
    main()

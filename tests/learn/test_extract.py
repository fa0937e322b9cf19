"""What is delivered with `extract: best_of_k` is what torch's own networks choose."""

import numpy as np
import pytest
import torch

from turn_rl_ros.core.artifact import open_artifact
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.learn.algorithms.cql import CqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.engine import Training
from turn_rl_ros.learn.networks import split_gaussian, squash
from turn_rl_ros.learn.selection.ensemble import ensemble
from turn_rl_ros.learn.train import train

CONFIG = TrainerConfig(steps=40, batch_size=16, width=8, seeds=2, discount=0.9, extract="best_of_k", extract_samples=5)


@pytest.mark.parametrize("layer_norm", [False, True])
@torch.no_grad()
def test_the_choice_is_that_of_the_trained_networks(planar_data, layer_norm):
    """Torch's layer norm, squash and least twin against the artifact's NumPy, member by member and averaged."""
    config = TrainerConfig(**{**vars(CONFIG), "layer_norm": layer_norm})
    training = Training(planar_data, config, CqlConfig(), range(2))
    runs = training.run()
    learnt, seen = training._algorithm, planar_data.observations[:20]
    x = training._inputs(seen).expand(2, *seen.shape)
    mean, log_std = split_gaussian(learnt.average(x))
    noise = torch.from_numpy(runs[0].weights["noise"])
    assert noise.shape == (5, 2)
    noise = torch.cat([torch.zeros(1, 2), noise])
    actions = squash(mean[:, :, None], log_std[:, :, None], noise)[0]  # (seeds, rows, 6, 2)
    tiled = x[:, :, None].expand(-1, -1, 6, -1)
    values = learnt.values(learnt.target, tiled.flatten(1, 2), actions.flatten(1, 2)).amin(1).unflatten(-1, (20, 6))
    best = values.argmax(-1)[..., None, None].expand(-1, -1, 1, 2)
    chosen = actions.gather(2, best)[:, :, 0].numpy()
    assert len(set(best[..., 0, 0].ravel().tolist())) > 1, "the same sample everywhere would prove little"

    trained = train(planar_data, config, CqlConfig(), turn=1, seed=0)
    blobs = [*trained.artifacts.values(), ensemble(list(trained.artifacts.values()), planar_data.spec, "mean")]
    policies = [open_artifact(blob, planar_data.spec).policy for blob in blobs]
    for policy, wanted in zip(policies, [*chosen, chosen.mean(0)], strict=True):
        np.testing.assert_allclose([policy.act(one) for one in seen], wanted, atol=1e-5)  # bounds are -1 and 1


def test_an_algorithm_without_proposals_is_refused(planar_data):
    config = TrainerConfig(**{**vars(CONFIG), "algorithm": "td3_bc"})
    with pytest.raises(ConfigError, match="td3_bc proposes nothing"):
        train(planar_data, config, turn=1, seed=0)

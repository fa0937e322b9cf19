"""Forward kinematics against a planar arm worked out by hand; against PyBullet in tests/sim."""

import numpy as np
import pytest

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.robot import KinematicChain, limits_from_urdf

URDF = """
<robot name="planar">
  <link name="base"/><link name="upper"/><link name="fore"/><link name="slide"/><link name="tip"/>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="upper"/>
    <axis xyz="0 0 1"/><limit lower="-3" upper="3" velocity="2" effort="1"/></joint>
  <joint name="elbow" type="continuous"><parent link="upper"/><child link="fore"/>
    <origin xyz="1 0 0"/><axis xyz="0 0 1"/><limit velocity="1" effort="1"/></joint>
  <joint name="reach" type="prismatic"><parent link="fore"/><child link="slide"/>
    <origin xyz="0.5 0 0"/><axis xyz="1 0 0"/><limit lower="0" upper="0.4" velocity="0.1" effort="1"/></joint>
  <joint name="flange" type="fixed"><parent link="slide"/><child link="tip"/>
    <origin xyz="0 0 0.2" rpy="0 0 1.5"/></joint>
</robot>
"""
JOINTS = ("shoulder", "elbow", "reach")


def by_hand(q):
    a, b, r = q
    fore = 0.5 + r
    return np.array([np.cos(a) + fore * np.cos(a + b), np.sin(a) + fore * np.sin(a + b), 0.2])


@pytest.fixture(scope="module")
def chain():
    return KinematicChain.from_urdf(URDF, "tip", JOINTS)


def test_position_is_that_of_plane_trigonometry(chain):
    q = np.random.default_rng(0).uniform(-2, 2, (4, 5, 3))
    np.testing.assert_allclose(chain.position(q), np.apply_along_axis(by_hand, -1, q), atol=1e-12)


def test_jacobian_is_the_derivative_of_position(chain):
    q = np.array([0.3, -1.1, 0.2])
    step = 1e-6
    numeric = np.stack([(by_hand(q + step * e) - by_hand(q - step * e)) / (2 * step) for e in np.eye(3)], axis=-1)
    np.testing.assert_allclose(chain.jacobian(q), numeric, atol=1e-8)
    assert chain.jacobian(np.tile(q, (2, 4, 1))).shape == (2, 4, 3, 3)


def test_the_chain_survives_the_journey_through_a_spec(chain):
    again = KinematicChain.from_details(chain.to_details(), JOINTS)
    q = np.array([0.3, -1.1, 0.2])
    np.testing.assert_array_equal(again.position(q), chain.position(q))


def test_limits_are_the_urdf_s_and_a_continuous_joint_has_none():
    limits = limits_from_urdf(URDF, JOINTS)
    assert limits.low == (-3.0, -1e6, 0.0)
    assert limits.velocity == (2.0, 1.0, 0.1)


def test_joints_in_another_order_are_refused():
    with pytest.raises(ConfigError, match="the URDF's chain moves"):
        KinematicChain.from_urdf(URDF, "tip", ("elbow", "shoulder", "reach"))

"""ament_python package: `colcon build` and `pip install .` both read this; package.xml says the same to ROS tools."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "turn_rl_ros"
SHARE = f"share/{NAME}"
NODES = (
    "executor",
    "guard",
    "collector",
    "trainer",
    "director",
    "sync",
    "replay",
    "recorder",
    "shadow",
    "homing",
    "preflight",
)

ROS = [
    "ros-jazzy-rclpy[fastrtps]",
    "ros-jazzy-diagnostic-msgs",
    "ros-jazzy-geometry-msgs",
    "ros-jazzy-lifecycle-msgs",
    "ros-jazzy-rcl-interfaces",
    "ros-jazzy-rosgraph-msgs",
    "ros-jazzy-sensor-msgs",
    "ros-jazzy-std-msgs",
    "ros-jazzy-std-srvs",
    "ros-jazzy-trajectory-msgs",
]
SYNC = ["fsspec>=2023.6", "sshfs>=2023.7"]
DEV = [
    "colcon-common-extensions",
    "cryptography>=40",
    "hypothesis",
    "minari>=0.5.4",
    "mypy",
    "pyarrow>=14",
    "pytest",
    "pytest-timeout",
    "rosbags>=0.11",
    "ruff",
    "types-PyYAML",
    *SYNC,
]


def files(folder: str) -> list[str]:
    """Every file of a folder beside this one, sorted, relative as setuptools wants it."""
    return sorted(str(path) for path in Path(folder).iterdir() if path.is_file())


setup(
    name=NAME,
    version="0.1.0",
    description="Learn a robot-arm policy in turns: record a short session, train offline, deliver, repeat.",
    long_description=Path("README.md").read_text(encoding="utf-8") if Path("README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    author="The turn_rl_ros developers",
    maintainer="The turn_rl_ros developers",
    maintainer_email="turn-rl-ros@example.com",
    python_requires=">=3.10",
    # Not `exclude=["test"]`: that default would install `tests` as a top-level module.
    packages=find_packages(include=[NAME, f"{NAME}.*", "sim", "sim.*"]),
    package_data={"sim": ["worlds/*.txt", "robots/*.urdf"], f"{NAME}.report": ["templates/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch")),
        (f"{SHARE}/config", files("config")),
        (f"{SHARE}/config/mappings", files("config/mappings")),
        (f"{SHARE}/config/controllers", files("config/controllers")),
    ],
    zip_safe=False,
    install_requires=[
        "gymnasium>=0.29",
        "h5py>=3.7",
        "jinja2>=3.0",
        "matplotlib>=3.5",
        "numpy>=1.22",
        "pyyaml>=5.4",
        "rich>=12",
        "safetensors>=0.4",
        "torch>=2.4",
        "typer>=0.9",
    ],
    # PyBullet ships no wheel for newer Pythons; without it the GridWorld takes the Panda's place.
    extras_require={
        "ros": ROS,
        "sim": ["pybullet>=3.2"],
        "bags": ["rosbags>=0.11"],
        "lerobot": ["pyarrow>=14"],
        "sign": ["cryptography>=40"],
        "sync": SYNC,
        "dev": DEV,
    },
    entry_points={
        "console_scripts": [
            *(f"{node} = {NAME}.nodes.{node}:main" for node in NODES),
            "arm = sim.arm_node:main",
            "stand_in = sim.stand_in:main",
            f"turn-rl = {NAME}.cli:main",
        ]
    },
)

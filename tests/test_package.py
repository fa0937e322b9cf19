"""What is installed, and where: by colcon in both its modes, and by pip."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
NODES = {
    "arm",
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
    "stand_in",
}
EXECUTABLES = NODES | {"turn-rl"}
LEFT_OUT = (".*", "build", "install", "log", "runs", "results", "*.egg-info", "__pycache__")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy to build from: a build leaves folders behind in its source."""
    return shutil.copytree(
        ROOT, tmp_path_factory.mktemp("source") / "turn_rl_ros", ignore=shutil.ignore_patterns(*LEFT_OUT)
    )


@pytest.fixture(scope="module", params=["copy", "symlink"])
def installed(request, source, tmp_path_factory):
    """The install prefix of the package after a colcon build."""
    if importlib.util.find_spec("colcon_ros") is None:
        pytest.skip("colcon is not installed (pip install colcon-common-extensions)")
    space = tmp_path_factory.mktemp(request.param)
    mode = ["--symlink-install"] if request.param == "symlink" else []
    command = [sys.executable, "-m", "colcon", "build", "--paths", str(source), *mode]
    run(command, cwd=space)
    return space / "install" / "turn_rl_ros"


def run(command, cwd):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "AMENT_PREFIX_PATH")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def file_names(folder):
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_every_executable_is_where_ros2_run_looks(installed):
    assert file_names(installed / "lib" / "turn_rl_ros") == EXECUTABLES


def test_every_launch_and_config_file_is_shared(installed):
    for folder in ("launch", "config", "config/controllers"):
        ours = file_names(ROOT / folder)
        assert ours and file_names(installed / "share" / "turn_rl_ros" / folder) == ours


def test_package_is_in_the_ament_index(installed):
    assert (installed / "share/ament_index/resource_index/packages/turn_rl_ros").is_file()
    assert (installed / "share/turn_rl_ros/package.xml").is_file()


def test_no_stray_top_level_module(installed):
    """Only ours in site-packages; in symlink mode an egg-link stands for them."""
    site = next((installed / "lib").glob("python3*/site-packages"))
    stray = {path.name for path in site.iterdir() if path.suffix in ("", ".py")} - {"turn_rl_ros", "sim", "__pycache__"}
    assert not stray


def test_modules_import_from_the_install_and_find_their_data(installed):
    """As after `source install/setup.bash`: worlds and report templates come along."""
    code = (
        "import sim, turn_rl_ros.report, turn_rl_ros.nodes, pathlib;"
        "print(pathlib.Path(sim.__file__).resolve());"
        "assert (pathlib.Path(sim.__file__).parent / 'worlds/turn_based_20x20.txt').is_file();"
        "assert list((pathlib.Path(turn_rl_ros.report.__file__).parent / 'templates').iterdir())"
    )
    script = f'. "{installed.parent}/local_setup.sh" && "{sys.executable}" -c "{code}"'
    where = Path(run(["sh", "-c", script], cwd=installed).strip())
    assert ROOT not in where.parents


def test_pip_puts_executables_into_bin(source, tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    run([*pip, "--prefix", str(tmp_path), str(source)], cwd=tmp_path)
    assert file_names(tmp_path / "bin") == EXECUTABLES
    assert not (tmp_path / "lib" / "turn_rl_ros").exists()
    site = next((tmp_path / "lib").glob("python3*/site-packages"))
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {"turn_rl_ros", "sim"}
    assert file_names(tmp_path / "share/turn_rl_ros/launch") == file_names(ROOT / "launch")


def test_package_xml_and_setup_agree_on_version_and_ros_packages():
    tree = ElementTree.parse(ROOT / "package.xml").getroot()
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert f'version="{tree.findtext("version")}"' in setup
    assert tree.findtext("export/build_type") == "ament_python"
    ros = {key.text for key in tree.findall("depend")} - {"ament_index_python"}
    assert {f'"ros-jazzy-{name.replace("_", "-")}' for name in ros} == {
        line.strip().rstrip(",").rstrip('"').replace("[fastrtps]", "")
        for line in setup.splitlines()
        if '"ros-jazzy-' in line
    }

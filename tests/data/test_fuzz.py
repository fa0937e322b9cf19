"""Mutated files are read right or refused with our own error, within 5 s and 1 GiB; TURN_RL_FUZZ sets how many."""

import os
import random
import resource
import shutil
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.data import journal
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.errors import SessionError
from turn_rl_ros.data.sealed import read_info, read_rows, sign

COUNT = int(os.environ.get("TURN_RL_FUZZ", "200"))
BATCH = 25


def flip_bits(data, rng):
    for _ in range(rng.choice((1, 1, 8, 200))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_bits_of_the_structure(data, rng):
    start = rng.choice((0, data.find(b"TREE"), data.find(b"HEAP"), data.find(b"SNOD"), data.find(b"GCOL")))
    for _ in range(rng.choice((1, 4))):
        at = max(start, 0) + rng.randrange(400)
        data[at % len(data)] ^= 1 << rng.randrange(8)


def cut(data, rng):
    del data[rng.randrange(len(data)) :]


def overwrite(data, rng):
    at, size = rng.randrange(len(data)), rng.randrange(1, 600)
    data[at : at + size] = rng.choice((b"\x00", b"\xff", b"\x80")) * len(data[at : at + size])


def swap_blocks(data, rng):
    a, b = rng.randrange(len(data) - 64), rng.randrange(len(data) - 64)
    data[a : a + 64], data[b : b + 64] = data[b : b + 64], data[a : a + 64]


def append_rubbish(data, rng):
    data.extend(rng.randbytes(rng.randrange(1, 5000)))


MUTATIONS = (flip_bits, flip_bits_of_the_structure, cut, overwrite, swap_blocks, append_rubbish)


def huge_shape(file, rng):
    del file["observations"]
    file.create_dataset("observations", shape=(10**12, 2), dtype="f4", chunks=(1000, 2))


def huge_everything(file, rng):
    for name in ("observations", "rewards"):
        del file[name]
        file.create_dataset(name, shape=(10**13,), dtype="f4", chunks=(1000,))


def deep_nesting(file, rng):
    group = file
    for _ in range(500):
        group = group.create_group("g")
    group["back"] = h5py.SoftLink("/")


def nested_spec(file, rng):
    file.attrs["task_spec"] = "[" * 100_000


def wrong_type(file, rng):
    name = rng.choice(("actions", "rewards", "terminals", "infos/goal", "infos/step"))
    shape = file[name].shape
    del file[name]
    kind = rng.choice((np.dtype("S3"), np.dtype("f8"), np.dtype("O"), np.dtype([("a", "f4")])))
    file.create_dataset(name, shape, dtype=h5py.string_dtype() if kind == np.dtype("O") else kind)


def a_group_for_a_column(file, rng):
    del file["rewards"]
    file.create_group("rewards")


def wrong_attribute(file, rng):
    file.attrs[rng.choice(("task_spec", "fingerprint", "turn", "drops", "schema_version"))] = rng.choice(
        (3.5, "x", np.zeros(3), "{", 2**40)
    )


def dangling_links(file, rng):
    del file["rewards"]
    file["rewards"] = rng.choice(
        (h5py.SoftLink("/nowhere"), h5py.ExternalLink("nothing.h5", "/x"), h5py.SoftLink("/rewards"))
    )


EDITS = (
    huge_shape,
    huge_everything,
    deep_nesting,
    nested_spec,
    wrong_type,
    a_group_for_a_column,
    wrong_attribute,
    dangling_links,
)


def run_limited(work, items):
    """Run `work(item)` for each item in children with 1 GiB and 5 s; gives what went wrong, item by item."""
    problems = []
    for first in range(0, len(items), BATCH):
        batch = items[first : first + BATCH]
        reader, writer = os.pipe()
        if pid := os.fork():
            os.close(writer)
            with os.fdopen(reader) as pipe:
                lines = pipe.read().splitlines()
            _, status = os.waitpid(pid, 0)
            problems += [line for line in lines if not line.startswith("ok")]
            if len(lines) < len(batch):
                problems.append(f"{batch[len(lines)]}: ended with {os.waitstatus_to_exitcode(status)}")
            continue
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        for item in batch:
            signal.setitimer(signal.ITIMER_PROF, 5)  # of processor time: a busy machine is not a hang
            signal.alarm(60)
            try:
                work(item)
                line = "ok"
            except BaseException as error:
                line = f"{item}: {type(error).__name__}: {str(error).splitlines()[:1]}"
            os.write(writer, (line + "\n").encode())
        os._exit(0)
    return problems


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, spec, sender):
    from turn_rl_ros.data.session import SessionWriter

    directory = tmp_path_factory.mktemp("pristine")
    writer = SessionWriter(directory, spec, {"turn": 1, "parameters": {"a": 1}})
    for number in range(60):
        writer.append(sender.transition(number, spec))
    writer.flush()
    part = next(directory.glob("*.part")).read_bytes()
    return writer.seal("done"), part


def mutated(path, seed):
    rng, data = random.Random(seed), bytearray(path.read_bytes())
    rng.choice(MUTATIONS)(data, rng)
    return data


def test_sessions_on_the_manifest_are_read_right_or_refused(tmp_path, pristine):
    source, _ = pristine
    right = load_dataset(source.parent)

    def work(seed):
        directory = tmp_path / str(seed)
        shutil.copytree(source.parent, directory)
        rng = random.Random(seed)
        target = directory / ("manifest.json" if seed % 5 == 0 else source.name)
        if seed % 5 == 1:
            with h5py.File(target, "r+") as file:
                rng.choice(EDITS)(file, rng)
            sign(target)
        else:
            target.write_bytes(mutated(target, seed))
        try:
            found = load_dataset(directory)
        except TurnRlError as error:
            assert "\n" not in str(error), "more than one line"
        else:
            assert np.array_equal(found.observations, right.observations) and np.array_equal(found.goal, right.goal)
            assert np.array_equal(found.timeouts, right.timeouts) and np.array_equal(found.actions, right.actions)
        shutil.rmtree(directory)

    assert run_limited(work, range(COUNT)) == []


def test_sessions_without_a_manifest_are_read_right_or_refused_too(tmp_path, pristine):
    source, _ = pristine
    right = read_rows(read_info(source))

    def work(seed):
        path, rng = tmp_path / f"{seed}.h5", random.Random(seed)
        if seed % 3:
            path.write_bytes(mutated(source, seed))
        else:
            shutil.copy(source, path)
            with h5py.File(path, "r+") as file:
                rng.choice(EDITS)(file, rng)
            sign(path)
        try:
            rows = read_rows(read_info(path))
            assert seed % 3 == 0 or rows.tobytes() == right.tobytes()
        except TurnRlError as error:
            assert "\n" not in str(error), "more than one line"
        path.unlink()

    assert run_limited(work, range(COUNT)) == []


def test_journals_give_the_first_rows_or_are_refused(tmp_path, pristine, spec, sender):
    _, part = pristine
    expected = sender.expected_rows(np.arange(60), spec)
    expected["timeouts"][-1] = False  # the journal has rows as they came: cuts are marked on sealing

    def work(seed):
        path = tmp_path / f"{seed}.h5.part"
        path.write_bytes(part)
        path.write_bytes(mutated(path, seed))
        try:
            _, _, rows, _ = journal.read(path)
        except SessionError as error:
            assert "\n" not in str(error), "more than one line"
        else:
            assert rows.tobytes() == expected[: len(rows)].tobytes()
        path.unlink()

    assert run_limited(work, range(COUNT)) == []

"""Seeds shared out over processes, one pinned core each: for wide networks, where side by side in one does not pay."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from turn_rl_ros.learn.engine import Progress, Run, Stopped, Training


def run_seeds(training: Training, processes: int) -> list[Run]:
    """What `training.run()` gives, from up to `processes` processes; seeds in order.

    A process that dies (out of memory, say) takes only its own seeds with it: their runs count as diverged.

    Raises:
        Stopped: `training.stop` said so.
    """
    groups = [group for group in (list(training.seeds[i::processes]) for i in range(processes)) if group]
    if len(groups) <= 1:
        return training.run()
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's and ROS's threads half alive
    stop = context.Event()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    workers: dict[Connection, tuple[SpawnProcess, list[int]]] = {}
    for number, group in enumerate(groups):
        ours, theirs = context.Pipe()
        part = replace(
            training, seeds=group, progress=None, stop=None, checkpoint=_part(training.checkpoint, number, len(groups))
        )
        core = cores[number % len(cores)] if cores else None
        process = context.Process(target=_work, args=(part, theirs, stop, os.getpid(), core), daemon=True)
        process.start()
        theirs.close()
        workers[ours] = (process, group)
    try:
        runs = _listen(workers, stop, training.progress, training.stop)
    finally:
        stop.set()
        for process, _ in workers.values():
            process.join()
    return sorted(runs, key=lambda run: list(training.seeds).index(run.seed))


def _listen(
    workers: dict[Connection, tuple[SpawnProcess, list[int]]],
    stop: Event,
    progress: Progress | None,
    asked: Callable[[], bool] | None,
) -> list[Run]:
    runs: list[Run] = []
    told: dict[Connection, tuple[int, int, dict[str, float]]] = {}
    waiting, stopped = dict(workers), ""
    while waiting:
        if asked is not None and asked():
            stop.set()
        for pipe in wait(list(waiting), timeout=0.2):
            assert isinstance(pipe, Connection)
            try:
                what, content = pipe.recv()
            except EOFError:
                process, group = waiting.pop(pipe)
                process.join()
                why = f"its process ended with exit code {process.exitcode}"
                runs += [Run(seed, {}, {}, why) for seed in group]
                continue
            if what == "progress":
                told[pipe] = content
                if progress is not None and len(told) == len(workers):
                    slowest = min(told.values(), key=lambda one: one[0])
                    progress(*slowest)
                continue
            waiting.pop(pipe)
            if what == "runs":
                runs += content
            elif what == "stopped":
                stopped = content
            else:
                raise content
    if stopped:
        raise Stopped(stopped)
    return runs


def _work(training: Training, pipe: Connection, stop: Event, parent: int, core: int | None) -> None:
    """In the process: learn, tell, end when asked to or when the parent is gone."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    training.stop = lambda: stop.is_set() or os.getppid() != parent
    training.progress = lambda *told: pipe.send(("progress", told))
    result: tuple[str, Any]
    try:
        result = ("runs", training.run())
    except Stopped as asked:
        result = ("stopped", str(asked))
    except Exception as error:  # told to the parent, which raises it
        result = ("error", error)
    pipe.send(result)


def _part(checkpoint: Path | None, number: int, of: int) -> Path | None:
    return checkpoint and checkpoint.with_name(f"{checkpoint.stem}-{number + 1}-of-{of}{checkpoint.suffix}")


def checkpoint_files(checkpoint: Path, processes: int) -> Sequence[Path]:
    """Every file that a training with this checkpoint may have left."""
    parts = [_part(checkpoint, number, processes) for number in range(processes)]
    return [path for path in (checkpoint, *parts) if path is not None and path.exists()]

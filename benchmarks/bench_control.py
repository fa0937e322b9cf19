"""From joint state to command: executor and guard at 20, 100 and 500 Hz, beside a bare echo node at the same rate.

The echo node is the floor: one hop instead of two, no policy, no limits, the same message types, QoS and executor.
Rounds are interleaved. p50 and p99 are held against goals; the maximum is the machine's and is only reported.
"""

import argparse
import json
import time

from rich.progress import Progress

from benchmarks.control import MODES, Beat, in_a_domain_of_its_own, loop
from benchmarks.table import Row, report, row

RATES_HZ = (20, 100, 500)
WHAT = {"separate": "a process a node", "composed": "composed in one process"}


def measure(mode: str, rate_hz: float, seconds: float) -> Beat:
    """One run of one mode at one rate."""
    if mode == "sleep":
        return sleep_loop(rate_hz, seconds)
    with loop(mode, rate_hz) as (metronome, _, pids):
        return metronome.run(seconds, pids)


def sleep_loop(rate_hz: float, seconds: float) -> Beat:
    """What the machine itself does to a plain sleep loop; a wake-up that comes a period late is a late tick."""
    period_s, started, beat = 1.0 / rate_hz, time.perf_counter(), Beat()
    for number in range(round(seconds * rate_hz)):
        deadline = started + number * period_s
        time.sleep(max(0.0, deadline - time.perf_counter()))
        late_s = time.perf_counter() - deadline
        beat.latencies_us.append(1e6 * late_s)
        beat.ticks, beat.late = beat.ticks + 1, beat.late + (late_s > period_s)
    return beat


def rows_of(rate_hz: int, beats: dict[str, Beat]) -> list[Row]:
    """The comparison at one rate."""
    floor, rows = beats["echo"], []
    for mode, words in WHAT.items():
        beat, name = beats[mode], f"{rate_hz} Hz, {words}"
        for share in (50, 99):
            against = f"echo's p{share}"
            value, reference = beat.percentile(share), floor.percentile(share)
            rows.append(row(f"{name}: p{share}", value, "us", against, reference, 0.5, less_is_better=True))
        cpu = row(f"{name}: CPU", 100 * beat.cpu_share, "%", "echo", 100 * floor.cpu_share, 0.5, less_is_better=True)
        worst, ticks = max(beat.latencies_us), beat.ticks
        rows += [cpu, Row(f"{name}: max", round(worst), "us", "echo", round(max(floor.latencies_us)), None, None, True)]
        goal = 0 if rate_hz == 100 else None
        missed = f"{name}: missed of {ticks}"
        rows.append(
            Row(missed, beat.missed, "ticks", "echo", floor.missed, None, goal, goal is None or not beat.missed)
        )
        if rate_hz == 500:
            sleep = beats["sleep"].late
            rows.append(Row(f"{name}: late of {ticks}", beat.late, "ticks", "sleep loop", sleep, None, None, True))
    return rows


def main() -> None:
    """Measure every mode at every rate, or (with --mode) one, printing its run as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each mode at each rate, over all rounds")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--rates", type=int, nargs="*", default=RATES_HZ, help="Hz")
    parser.add_argument("--long", type=float, default=600.0, help="seconds at 100 Hz in which no tick may be missed")
    parser.add_argument("--mode", choices=(*MODES, "sleep"), help="measure one mode at the first of --rates")
    options = parser.parse_args()
    if options.mode:
        print(json.dumps(vars(measure(options.mode, options.rates[0], options.seconds))))
        return

    def once(mode: str, rate_hz: int, seconds: float) -> Beat:
        command = ["benchmarks.bench_control", "--mode", mode, "--rates", str(rate_hz), "--seconds", str(seconds)]
        return Beat(**json.loads(in_a_domain_of_its_own(command)))

    rows: list[Row] = []
    with Progress() as progress:
        job = progress.add_task("runs", total=len(options.rates) * options.rounds * 4 + bool(options.long))
        for rate_hz in options.rates:
            beats = {mode: Beat() for mode in (*MODES, "sleep")}
            for _ in range(options.rounds):
                for mode, beat in beats.items():
                    beat.add(once(mode, rate_hz, options.seconds / options.rounds))
                    progress.advance(job)
            rows += rows_of(rate_hz, beats)
        if options.long:
            beat = once("separate", 100, options.long)
            what = f"100 Hz for {options.long:g} s, {WHAT['separate']}: missed of {beat.ticks}"
            rows.append(Row(what, beat.missed, "ticks", "none", 0, None, 0, beat.missed == 0))
            progress.advance(job)
    report("bench-control", rows)


if __name__ == "__main__":
    main()

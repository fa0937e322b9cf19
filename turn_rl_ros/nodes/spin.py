"""The one place that decides how nodes spin.

rclpy's EventsExecutor answers a message in two thirds of the time of the SingleThreadedExecutor for a third of the CPU.
Its `spin()` without a time-out, though, dispatches nothing and burns a core (rclpy 7.1.5 to 9.1.2), while waiting for a
future with a time-out works; so that is how everything here spins. The MultiThreadedExecutor loses most messages of a
subscription under load and is not used. Subscription callbacks that take a MessageInfo crash the EventsExecutor: a node
that needs the time of sending spins on the SingleThreadedExecutor.
"""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import rclpy
from rclpy.executors import Executor
from rclpy.experimental import EventsExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from turn_rl_ros.core.errors import TurnRlError

WAKE_S = 0.2
"""How often the loop returns to Python, where signal handlers run and `stop` is asked."""


def make_executor() -> Executor:
    """The executor for one process, however many nodes it holds."""
    return EventsExecutor()


def spin(executor: Executor, stop: Callable[[], bool]) -> None:
    """Run callbacks until `stop()`, which is asked every WAKE_S.

    The future is completed from another thread: while messages keep coming, as they do in lockstep, the EventsExecutor
    never looks at its time-out, and a Ctrl-C would wait for the end of the window.
    """
    while not stop() and rclpy.ok():
        wake: Future = Future()
        alarm = threading.Timer(WAKE_S, wake.set_result, (None,))
        alarm.daemon = True
        alarm.start()
        executor.spin_until_future_complete(wake, timeout_sec=10 * WAKE_S)
        alarm.cancel()


class Stop:
    """SIGINT and SIGTERM as a flag.

    The first asks for an orderly end (hold, flush, seal); later ones change nothing: an impatient second Ctrl-C must
    not cost the session.
    """

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self.asked

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def run_node(
    factory: Callable[[], Any], args: Sequence[str] | None = None, executor_of: Callable[[], Executor] = make_executor
) -> int:
    """`main` of every node: make it, spin it until it is done or a signal comes, close it.

    `factory` makes a node with `close()` (hold, flush, seal; called once, in any case) and `done` (True ends the loop);
    Returns the exit code: 0 after an orderly end, 2 when the node refused its configuration, with one line on stderr.
    """
    stop = Stop()
    try:
        rclpy.init(args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO)
        node = factory()
    except Exception as error:
        # rcl wraps a malformed parameter file in several lines; a user needs the first.
        if not isinstance(error, TurnRlError) and "arse" not in str(error):
            raise
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    executor = executor_of()
    executor.add_node(node)
    try:
        spin(executor, lambda: stop() or node.done)
    finally:
        node.close()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return node.exit_code

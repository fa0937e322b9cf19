"""How the director asks: over real DDS, of a server whose first answer is lost."""

import threading

import pytest
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.nodes import peers
from turn_rl_ros.nodes.spin import make_executor


@pytest.fixture
def asked(ros, monkeypatch):
    """Peers, and a guard that keeps the first `asked.swallow` answers to itself; both spin in threads."""
    monkeypatch.setattr(peers, "ASK_AGAIN_S", 0.5)

    class Asked:
        swallow = seen = 0

        def answer(self, request, response):
            self.seen += 1
            response.current_state.id = State.PRIMARY_STATE_ACTIVE
            return response

    it = Asked()
    director, guard = ros.create_node("director"), ros.create_node("guard_stand_in")
    it.peers = peers.Peers(director)
    server = guard.create_service(GetState, "guard/get_state", it.answer)
    send = server.send_response
    server.send_response = lambda response, header: send(response, header) if it.seen > it.swallow else None
    executors = make_executor(), SingleThreadedExecutor()
    stop = threading.Event()

    def spin(executor, node):
        executor.add_node(node)
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.05)

    threads = [threading.Thread(target=spin, args=pair) for pair in zip(executors, (director, guard), strict=True)]
    for thread in threads:
        thread.start()
    yield it
    stop.set()
    for thread in threads:
        thread.join()
    for executor in executors:
        executor.shutdown()
    director.destroy_node()
    guard.destroy_node()


def test_an_answer_that_is_lost_is_asked_for_again(asked):
    asked.swallow = 1
    assert asked.peers._state_of("guard") == State.PRIMARY_STATE_ACTIVE
    assert asked.seen == 2
    assert not asked.peers._get["guard"]._pending_requests


def test_a_node_that_never_answers_is_named(asked, monkeypatch):
    monkeypatch.setattr(peers, "ANSWER_S", 2.0)
    asked.swallow = 100
    with pytest.raises(TurnRlError, match="waited 2 s for an answer of the node 'guard'"):
        asked.peers._state_of("guard")
    assert asked.seen >= 3

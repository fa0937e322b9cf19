import time

from std_msgs.msg import Float64MultiArray

from turn_rl_ros.nodes.spin import make_executor, spin


def test_callbacks_run_while_spinning(ros):
    node = ros.create_node("listener")
    heard = []
    node.create_subscription(Float64MultiArray, "numbers", lambda m: heard.append(m.data[0]), 100)
    numbers = node.create_publisher(Float64MultiArray, "numbers", 100)
    count = iter(range(1000))
    node.create_timer(0.01, lambda: numbers.publish(Float64MultiArray(data=[float(next(count))])))
    executor = make_executor()
    executor.add_node(node)
    deadline = time.monotonic() + 20
    spin(executor, lambda: len(heard) >= 50 or time.monotonic() > deadline)
    assert heard[:50] == sorted(heard)[:50] and len(heard) >= 50
    node.destroy_node()


def test_an_idle_node_costs_under_a_tenth_of_a_core(ros):
    node = ros.create_node("idle")
    node.create_subscription(Float64MultiArray, "numbers", lambda m: None, 10)
    executor = make_executor()
    executor.add_node(node)
    start, cpu = time.monotonic(), time.process_time()
    spin(executor, lambda: time.monotonic() - start > 2.0)
    used = (time.process_time() - cpu) / (time.monotonic() - start)
    assert used < 0.1
    node.destroy_node()


def test_a_stop_is_seen_while_messages_never_pause(ros):
    node = ros.create_node("echo")
    numbers = node.create_publisher(Float64MultiArray, "numbers", 100)
    count = [0]

    def answer(message):
        count[0] += 1
        numbers.publish(message)

    node.create_subscription(Float64MultiArray, "numbers", answer, 100)
    executor = make_executor()
    executor.add_node(node)
    numbers.publish(Float64MultiArray(data=[1.0]))
    start = time.monotonic()
    spin(executor, lambda: time.monotonic() - start > 1.0)
    assert count[0] > 100, "the traffic was real"
    assert time.monotonic() - start < 10
    node.destroy_node()

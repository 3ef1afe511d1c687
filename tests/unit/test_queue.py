"""Who waits for a turn is told how long, in the order they came, and leaves without a trace."""

import threading
import time

import pytest

from cxr_demo.errors import Cancelled, TooBusy
from cxr_demo.web.queue import LOOK, JobQueue, QueueStatus, attended


def never():
    return threading.Event()


def enter(queue, begun, go, name, over=None, told=None):
    """Somebody who computes until `go` is set; what they are told meanwhile goes into `told`."""

    def compute():
        try:
            with queue.ticket() as ticket:
                for wait in ticket.waits(over or never()):
                    (told if told is not None else []).append(wait)
                begun.append(name)
                go.wait(20)
        except Cancelled:
            begun.append(f"{name} left")

    before = len(queue._order)
    thread = threading.Thread(target=compute)
    thread.start()
    until(lambda: len(queue._order) > before or not thread.is_alive())
    return thread


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_turns_are_taken_in_order_and_those_who_wait_are_told():
    queue, begun, told = JobQueue(workers=2, capacity=10), [], []
    go = [threading.Event() for _ in range(5)]
    threads = [enter(queue, begun, go[n], n, told=told if n == 4 else None) for n in range(5)]
    until(lambda: len(begun) == 2 and told == [QueueStatus(2, None)])
    assert begun == [0, 1]
    go[1].set()
    until(lambda: len(begun) == 3 and len(told) == 2)
    assert begun == [0, 1, 2]
    assert told[1].ahead == 1
    assert told[1].seconds == pytest.approx(2 * queue._took[0] / 2)
    go[0].set()
    until(lambda: len(begun) == 4)
    assert begun == [0, 1, 2, 3]
    for event in go:
        event.set()
    for thread in threads:
        thread.join()
    assert begun == [0, 1, 2, 3, 4]
    assert queue._order == []


def test_nobody_waits_where_there_is_room():
    queue = JobQueue(workers=1)
    with queue.ticket() as ticket:
        assert list(ticket.waits(never())) == []
        assert ticket.began is not None


def test_who_leaves_while_waiting_frees_the_place_at_once():
    queue, begun = JobQueue(workers=1), []
    go, over = threading.Event(), threading.Event()
    first = enter(queue, begun, go, "first")
    second = enter(queue, begun, go, "second", over)
    third = enter(queue, begun, go, "third")
    over.set()
    second.join(LOOK + 5)
    assert begun == ["first", "second left"]
    assert len(queue._took) == 0, "waiting is no computing"
    go.set()
    first.join()
    third.join()
    assert begun[-1] == "third"


def test_too_many_are_refused_with_the_time_it_would_take():
    queue, begun, go = JobQueue(workers=1, capacity=1), [], threading.Event()
    queue._took.append(200.0)
    threads = [enter(queue, begun, go, n) for n in range(2)]
    with pytest.raises(TooBusy, match="1 computation is waiting, about 7 minutes"), queue.ticket():
        pass
    go.set()
    for thread in threads:
        thread.join()
    assert queue._order == []


def test_an_error_at_work_gives_the_place_back():
    queue = JobQueue(workers=1)

    def fail():
        with queue.ticket() as ticket:
            list(ticket.waits(never()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert queue._order == []


# ------------------------------------------------------------------ leaving somebody at work


def test_answers_come_as_they_are_and_silence_is_told():
    go, over, found = threading.Event(), never(), []

    def answers():
        yield 1
        go.wait(20)
        yield 2

    for answer in attended(answers, over):
        found.append(answer)
        if found == [1, None, None]:
            go.set()
    assert found[0] == 1
    assert found[-1] == 2
    assert found[1:3] == [None, None]
    assert set(found[3:-1]) <= {None}
    assert over.is_set()


def test_an_error_of_the_work_is_the_askers():
    def answers():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(attended(answers, never()))


def test_who_stops_it_is_told_so_whatever_the_work_was_about_to_say():
    over = never()

    def answers():
        yield 1
        over.set()  # e.g. between two batches: the work looks at it before the next one
        yield 2
        raise AssertionError("one batch too many")

    listening = attended(answers, over)
    assert [next(listening), next(listening)] == [1, 2]
    with pytest.raises(Cancelled):
        next(listening)


def test_who_stops_listening_ends_the_work_and_waits_for_its_end():
    over, ended = never(), []

    def answers():
        try:
            while not over.is_set():
                time.sleep(0.01)
                yield 1
        finally:
            ended.append(True)

    listening = attended(answers, over)
    assert next(listening) == 1
    listening.close()
    assert over.is_set()
    assert ended == [True]


def test_a_work_that_says_nothing_is_left_within_a_look():
    over = never()

    def answers():
        over.wait(30)
        yield 1

    listening = attended(answers, over)
    assert next(listening) is None
    began = time.monotonic()
    listening.close()
    assert time.monotonic() - began < 2

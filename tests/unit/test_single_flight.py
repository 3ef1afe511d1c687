"""What takes long is made flights, for all who ask meanwhile."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cxr_demo.single_flight import SingleFlight, TooSlow


@pytest.fixture
def may():
    """Set as soon as things may be made."""
    return threading.Event()


@pytest.fixture
def make(may):
    """Makes 1, then 2, and so on."""
    numbers = itertools.count(1)
    return lambda: may.wait(20) and next(numbers)


def test_a_crowd_shares_what_is_made(make, may):
    flights = SingleFlight()
    with ThreadPoolExecutor(8) as crowd:
        asked = [crowd.submit(flights.get, "x", make) for _ in range(8)]
        may.set()
        assert {one.result() for one in asked} == {1}
    assert flights.get("x", make) == 1
    assert flights.get("y", make) == 2


def test_who_has_waited_enough_is_told_and_it_is_made_all_the_same(make, may):
    flights = SingleFlight()
    with pytest.raises(TooSlow):
        flights.get("x", make, 0.01)
    may.set()
    assert flights.get("x", make, 20) == 1


def test_what_is_not_to_be_kept_is_made_anew(make, may):
    flights = SingleFlight()
    may.set()
    assert [flights.get("x", make, keep=False) for _ in range(2)] == [1, 2]


def test_an_error_is_told_to_who_waits_and_not_kept(make, may):
    def fail():
        may.wait(20)
        raise OSError("no luck")

    flights = SingleFlight()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(flights.get, "x", fail)
        with pytest.raises(TooSlow):
            flights.get("x", fail, 0.01)
        may.set()
        with pytest.raises(OSError, match="no luck"):
            waiting.result()
    assert flights.get("x", make) == 1


def test_what_somebody_keeps_meanwhile_is_what_everybody_gets(make, may):
    flights = SingleFlight()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(flights.get, "x", make)
        with pytest.raises(TooSlow):
            flights.get("x", make, 0.01)
        assert flights.keep("x", "another") == "another"
        may.set()
        assert waiting.result() == "another"
    assert flights.get("x", make) == "another"
    assert flights.keep("x", "late") == "another"

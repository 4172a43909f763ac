"""Pages are made in turns: a few at a time, and whoever used the server least comes next."""

from __future__ import annotations

import threading
import time

import pytest

from ui.kit.turns import LONG_SECONDS, MEMORY_SECONDS, Account, Turn, Turns

NOW = 1000.0


def make_turns(*turns: Turn, **used: float) -> Turns:
    """Returns turns of which each visitor has used so many seconds."""
    accounts = {visitor: Account(seconds, NOW) for visitor, seconds in used.items()}
    return Turns(2, list(turns), accounts)


def test_only_so_many_pages_are_made_at_a_time():
    waiting = Turn("c", NOW)
    turns = make_turns(Turn("a", NOW, NOW), Turn("b", NOW, NOW), waiting)
    assert not turns.is_next(waiting, NOW)


def test_a_page_that_takes_long_leaves_its_place_to_the_next():
    waiting = Turn("c", NOW)
    turns = make_turns(Turn("a", NOW, NOW), Turn("b", NOW, NOW), waiting)
    assert turns.is_next(waiting, NOW + LONG_SECONDS)


def test_a_visitor_with_a_page_under_way_lets_others_go_first():
    second, other = Turn("a", NOW - 60), Turn("b", NOW)
    turns = make_turns(Turn("a", NOW, NOW), second, other, b=50.0)
    assert turns.is_next(other, NOW)
    assert not turns.is_next(second, NOW)


def test_whoever_used_less_goes_first_and_waiting_counts():
    heavy, light = Turn("heavy", NOW), Turn("light", NOW)
    turns = make_turns(heavy, light, heavy=10.0, light=1.0)
    assert turns.is_next(light, NOW)
    heavy.asked -= 10.0
    assert turns.is_next(heavy, NOW)


def test_turns_of_equal_use_keep_their_order():
    first, second = Turn("a", NOW), Turn("b", NOW)
    assert make_turns(first, second).is_next(first, NOW)


def test_use_is_forgotten_with_time():
    turns = make_turns(a=1.0)
    turns.charge(Turn("b", NOW), NOW + 10 * MEMORY_SECONDS)
    assert not turns.accounts


def test_a_turn_ends_with_its_block_whatever_happens():
    turns = make_turns()
    with pytest.raises(ZeroDivisionError), turns.take("a"):
        assert [turn.visitor for turn in turns.turns] == ["a"]
        raise ZeroDivisionError
    assert not turns.turns


def test_a_waiting_page_is_made_when_one_before_it_ends():
    turns, made = Turns(1), threading.Event()

    def make_page() -> None:
        with turns.take("b"):
            made.set()

    with turns.take("a"):
        thread = threading.Thread(target=make_page)
        thread.start()
        while len(turns.turns) < 2:
            time.sleep(0.001)
    thread.join()
    assert made.is_set()


def test_what_waits_for_quiet_goes_on_when_no_page_is_made():
    turns, is_quiet = Turns(2), threading.Event()

    def wait() -> None:
        turns.wait_for_quiet()
        is_quiet.set()

    with turns.announce_page(), turns.announce_page():
        thread = threading.Thread(target=wait)
        thread.start()
        assert not is_quiet.is_set()
    thread.join()
    assert is_quiet.is_set()

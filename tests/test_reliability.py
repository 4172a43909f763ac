"""The harness itself: it finds what breaks, and says where."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
import time

import pytest
from helpers import visit_apart

from aecore.errors import DataError
from bench.reliability.__main__ import main, parse_range
from bench.reliability.part import Outcome
from bench.reliability.report import read_sittings
from bench.reliability.scratch import compare_trees, record_tree


def compute_for_ever():
    while True:
        pass


def fill_memory():
    kept = [bytes(1)]
    while True:
        kept.append(b"x" * 10_000_000)


def refuse():
    return "The file is torn."


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: "", "accepted", ""),
        (refuse, "refused", "The file is torn."),
        (lambda: 1 / 0, "broken", "ZeroDivisionError"),
        (lambda: os._exit(3), "broken", "ended with 3"),
        (lambda: os.kill(os.getpid(), 11), "broken", "ended with -11"),
        (lambda: time.sleep(60), "broken", "more than 2 s"),
        (compute_for_ever, "broken", "more than 2 s"),
        (fill_memory, "broken", "GB of memory"),
    ],
)
def test_a_case_is_accepted_refused_or_broken(call, kind, text):
    verdict = visit_apart(call, seconds=2, memory=100_000_000)
    assert verdict.kind == kind and text in verdict.text


def test_where_a_case_broke_is_told():
    def fail():
        raise DataError("a sentence that nobody caught")

    assert "test_reliability.py" in visit_apart(fail).text


def test_what_was_written_changed_or_removed_is_found(tmp_path):
    for name in ("same", "changed", "removed"):
        (tmp_path / name).write_text("1")
    before = record_tree(tmp_path)
    assert compare_trees(before, record_tree(tmp_path)) == ""
    (tmp_path / "changed").write_text("2")
    (tmp_path / "removed").unlink()
    (tmp_path / "new").symlink_to("same")
    found = compare_trees(before, record_tree(tmp_path))
    assert found == "wrote outside: changed, new, removed"


def test_an_outcome_counts_its_cases():
    outcome = Outcome()
    outcome.add("accepted")
    outcome.add("broken", "2: it hangs")
    assert outcome.summary == "2 tried, 1 broken" and outcome.broken == ["2: it hangs"]


@pytest.mark.parametrize(("text", "cases"), [("3:5", [3, 4]), ("7", [7]), ("0:0", [])])
def test_cases_are_given_by_their_numbers(text, cases):
    assert list(parse_range(text)) == cases


def try_one_case():
    """Run a case of the part `disk`; return the exit status, and what it printed."""
    sys.argv = ["reliability", "disk", "--reduced", "--cases", "7"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        return main(), printed.getvalue()


def test_a_part_ends_with_its_figures_and_the_last_line_is_their_sum():
    kept = read_sittings("disk")
    # in a new process: memory counts, and that of this one is of all tests before
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        status, text = pool.apply(try_one_case)
    assert status == 0
    lines = text.splitlines()
    assert lines[-2].startswith("disk: 1 tried, 0 broken (") and lines[-1] == (
        "sum: 1 tried, 0 broken"
    )
    assert read_sittings("disk") == kept  # the reduced form keeps nothing

"""metrics.jsonl: only what is new is read, and no more than the longest training writes."""

from __future__ import annotations

import json

import pytest
from helpers import tiny, visit_apart

from aecore.runs import record_file
from aecore.runs.listing import create_run
from aecore.runs.records import EpochRecord, MetricsRecord, parse_record


@pytest.fixture
def run():
    return create_run(tiny())


@pytest.fixture
def parsed(monkeypatch):
    """The lines that were parsed."""
    lines = []

    def parse(line):
        lines.append(line)
        return parse_record(line)

    monkeypatch.setattr(record_file, "parse_record", parse)
    return lines


def line(epoch, **values):
    return json.dumps({"kind": "epoch", "epoch": epoch, "loss": 1.0, **values}) + "\n"


def write(run, text, mode="w"):
    with open(run.path / "metrics.jsonl", mode) as file:
        file.write(text)


def epochs(run):
    return [record.epoch for record in run.epochs()]


def test_a_second_look_reads_only_what_was_added(run, parsed):
    write(run, "".join(map(line, range(1, 101))))
    assert epochs(run) == list(range(1, 101)) and len(parsed) == 100
    assert epochs(run) == list(range(1, 101)) and len(parsed) == 100
    run.append(EpochRecord(epoch=101))
    assert epochs(run)[-1] == 101 and len(parsed) == 101


def test_a_line_that_is_being_written_is_read_once_it_is_whole(run):
    write(run, line(1) + line(2)[:10])
    assert epochs(run) == [1]
    write(run, line(2)[10:], "a")
    assert epochs(run) == [1, 2]


@pytest.mark.parametrize("text", ["", line(7), line(7) * 3])
def test_a_file_that_was_replaced_is_read_anew(run, text):
    write(run, line(1) + line(2))
    assert epochs(run) == [1, 2]
    write(run, text)  # in place: the same inode, shorter or longer
    assert epochs(run) == ([7] if text else [])
    (run.path / "metrics.jsonl").unlink()
    assert run.records() == []
    write(run, line(3))
    assert epochs(run) == [3]


def test_a_line_without_end_is_passed_over(run):
    write(run, line(1) + "9" * 1_000_000 + line(2) + line(3))
    assert epochs(run) == [1, 3]


def test_no_more_lines_and_bytes_are_read_than_a_training_writes(run, monkeypatch, parsed):
    monkeypatch.setattr(record_file, "MAX_LINES", 10)
    write(run, "".join(map(line, range(1, 21))))
    assert epochs(run) == list(range(1, 11)) and len(parsed) == 10
    monkeypatch.setattr(record_file, "MAX_FILE_BYTES", 3 * len(line(1)))
    write(run, "".join(map(line, range(1, 8))))
    assert epochs(run) == [1, 2, 3]


def test_files_that_were_not_looked_at_lately_are_forgotten(run, monkeypatch, parsed):
    monkeypatch.setattr(record_file, "MAX_CACHED_LINES", 3)
    other = create_run(tiny())
    for each in (run, other):
        write(each, line(1) + line(2))
        assert epochs(each) == [1, 2]
    assert epochs(other) == [1, 2] and len(parsed) == 4
    assert epochs(run) == [1, 2] and len(parsed) == 6


def test_records_without_end_are_read_within_bounds(run, monkeypatch):
    monkeypatch.setattr(record_file, "MAX_LINES", 20_000)
    with open(run.path / "metrics.jsonl", "wb") as file:
        file.write(b'{"kind":"epoch"}\n' * 3_000_000)

    def visit():
        for _ in range(3):
            assert len(run.records()) == record_file.MAX_LINES
        return ""

    verdict = visit_apart(visit)
    assert verdict.kind == "accepted", verdict.text


def test_numbers_too_large_for_a_table_become_floats(run):
    pa = pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    write(run, f'{{"kind": "test", "se": 1{"0" * 299}, "parameters": {2**63}, "psnr": 3}}\n')
    metrics = run.test_metrics()
    assert metrics == {"se": 1e299, "parameters": 2.0**63, "psnr": 3}
    assert isinstance(metrics["psnr"], int)
    pa.Table.from_pandas(pd.DataFrame([metrics]))


@pytest.mark.parametrize("name", ["\ud800", "\x00", "\u202e"])
def test_names_that_no_page_can_show_are_left_out(name):
    assert parse_record(json.dumps({"kind": "test", "se": 1.0, name: 2.0}).encode()) is None


def test_a_line_of_many_numbers_is_no_record():
    names = [f"n{i}" for i in range(200)]
    row = dict.fromkeys(names, 1.0)
    assert parse_record(json.dumps({"kind": "test", **row}).encode()) is None
    assert parse_record(json.dumps({"kind": "test", "se": 1.0}).encode()) == MetricsRecord(
        {"se": 1.0}
    )

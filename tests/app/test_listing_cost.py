"""What a click costs where there are many runs: a file is parsed once, then not at all."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers import tiny

from aecore.runs import file_cache, ownership, run
from aecore.runs.listing import SHIPPED_FOLDER, create_run
from aecore.runs.ownership import OwnerRecord, claim_folder
from ui.train.run_table import describe_older_runs

RUNS = 12


@pytest.fixture
def parses(monkeypatch):
    """How often each file of a run folder was parsed, by its path."""
    monkeypatch.setattr(file_cache, "SETTLED_NS", -(10**18))
    counts = Counter()

    def count(module, name):
        cache = getattr(module, name)
        parse = cache.parse

        def counted(path):
            counts[path] += 1
            return parse(path)

        monkeypatch.setattr(cache, "parse", counted)

    count(run, "_configs")
    count(run, "_states")
    count(ownership, "_owners")
    return counts


@pytest.mark.parametrize("page", ["train.py", "compare.py"])
def test_a_click_parses_no_file_that_has_not_changed(page, open_page, parses, monkeypatch):
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    for _ in range(RUNS):
        made = create_run(tiny())
        claim_folder(made.path, "somebody else")
        made.write_state(state="stopped")
    published = create_run(tiny())
    OwnerRecord(owner="somebody else", published=True).write(published.path)
    published.write_state(state="stopped")
    parses.clear()
    app = open_page(page)
    assert not app.exception
    assert parses[published.path / ".owner.json"] == 1
    assert [path for path, count in parses.items() if count > 1] == []
    parses.clear()
    app.run()
    assert not app.exception and not parses
    published.write_state(state="failed")
    app.run()
    assert list(parses) == [published.path / "state.json"]


def test_older_runs_are_counted_apart_from_the_shipped_models():
    own = create_run(tiny())
    shipped = run.Run(SHIPPED_FOLDER / "digits-codec")
    text = describe_older_runs([own, own, shipped])
    assert text.startswith("and 2 older ones, in ")
    assert text.endswith(", and 1 that come with the app")
    assert describe_older_runs([shipped]) == "and 1 that come with the app"

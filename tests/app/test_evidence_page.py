"""The Evidence page: what the fidelity suite found, whatever state its files are in."""

import json

import pytest
from PIL import Image

from ui import evidence

CHECK = {
    "what": "test SE", "ours": 2.9, "bar": [None, 3.3], "moonshot": [None, 3.0], "paper": 3.0, "spread": None,
    "passed": True, "beyond": True,
}  # fmt: skip
ROW = {
    "id": "E3", "title": "Deep", "claim": "A claim.", "paper": "A paper", "url": "https://example.org/x",
    "verdict": "moonshot", "checks": [CHECK, {**CHECK, "what": "told", "bar": None, "moonshot": None}],
    "curves": {"x": "epoch", "y": "SE", "lines": {"a": [[1, 5.0], [2, 3.0]]}, "marks": {"paper": 3.0}},
    "pictures": [{"file": "E3-0.png", "caption": "What it rebuilds."}], "notes": "A note.",
    "seeds": [0], "seconds": 300,
    "command": "python -m bench.fidelity E3", "device": "CPU", "torch": "2", "commit": "abc", "date": "2026-11-22",
}  # fmt: skip


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """A function that writes a row file; the page reads that folder."""
    monkeypatch.setattr(evidence, "FOLDER", tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "E3-0.png")

    def write(name="E3", **changes):
        (tmp_path / f"{name}.json").write_text(json.dumps({**ROW, "id": name, **changes}))
        return tmp_path / f"{name}.json"

    return write


def texts(app):
    return " ".join(str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.warning, *app.subheader])


def test_every_row_is_shown_with_its_verdict_and_the_first_one_opened(open_page, rows):
    rows("E10", title="Ten", verdict="miss")
    rows("E3")
    app = open_page("evidence.py")
    assert not app.exception
    assert "**1 of 2** experiments reach the paper, **1** go beyond it" in texts(app)
    overview, details = (frame.value for frame in app.dataframe)
    assert list(overview[""]) == ["E3", "E10"] and list(overview["Verdict"]) == ["better than the paper", "missed"]
    assert list(details["Ours"]) == ["2.90", "2.90"] and list(details["Bar"]) == ["≤ 3.30", ""]
    assert "E3 Deep" in texts(app) and "A note." in texts(app)
    assert app.code[0].value == "python -m bench.fidelity E3"


def test_a_link_opens_its_experiment_and_one_to_nothing_the_first(open_page, rows):
    rows("E3")
    rows("E10", title="Ten")
    assert "E10 Ten" in texts(open_page("evidence.py", experiment="E10"))
    assert "E3 Deep" in texts(open_page("evidence.py", experiment="E77"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(path.read_text()[:200]),
        lambda path: path.write_text("[1, 2]"),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: path.write_text(path.read_text().replace("2.9", "NaN")),
        lambda path: path.write_text(path.read_text().replace("E3-0.png", "../../secret.png")),
        lambda path: path.write_text(path.read_text().replace("https://example.org", "javascript:alert")),
    ],
)
def test_a_torn_or_hostile_row_is_named_and_the_others_shown(open_page, rows, damage):
    rows("E10", title="Ten")
    damage(rows("E3"))
    app = open_page("evidence.py")
    assert not app.exception
    assert "E3.json cannot be shown" in texts(app) and "E10 Ten" in texts(app)


def test_without_any_row_the_command_that_makes_them_is_told(open_page, rows):
    app = open_page("evidence.py")
    assert not app.exception
    assert evidence.COMMAND in texts(app)


def test_the_rows_that_come_with_the_code_are_sound():
    found, problems = evidence.read()
    assert not problems and found
    for row in found:
        assert all((evidence.FOLDER / picture.file).is_file() for picture in row.pictures)

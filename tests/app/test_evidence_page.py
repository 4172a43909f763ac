"""The Evidence page: what the fidelity suite found, whatever state its files are in."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from ui.evidence import experiments
from ui.evidence.charts import FIRST_FIGURE_SIZE, LINE_LETTERS, draw_verdicts
from ui.evidence.experiments import (
    EVIDENCE_COMMAND,
    EVIDENCE_FOLDER,
    EvidenceCheck,
    read_experiments,
)
from ui.evidence.tables import make_verdict_rows, scale_figures

CHECK = {
    "what": "test SE",
    "ours": 2.9,
    "bar": [None, 3.3],
    "moonshot": [None, 3.0],
    "paper": 3.0,
    "spread": 0.02,
}
MISSED = {**CHECK, "ours": 3.5}
TOLD = {**CHECK, "what": "told", "bar": None, "moonshot": None}
ROW = {
    "id": "E3",
    "title": "Deep",
    "claim": "A claim.",
    "paper": "A paper",
    "url": "https://example.org/x(89)1",
    "checks": [CHECK, TOLD],
    "curves": {
        "x": "epoch",
        "y": "SE",
        "lines": {"a": [[1, 5.0], [2, 3.0]]},
        "marks": {"paper": 3.0},
    },
    "pictures": [{"file": "E3-0.png", "caption": "What it rebuilds."}],
    "notes": "A note.",
    "seeds": [0],
    "seconds": 300,
    "command": "python -m bench.fidelity E3",
    "device": "CPU",
    "torch": "2",
    "commit": "abc",
    "date": "2026-11-22",
}


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """A function that writes a row file; the page reads that folder."""
    monkeypatch.setattr(experiments, "EVIDENCE_FOLDER", tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "E3-0.png")

    def write(name="E3", **changes):
        (tmp_path / f"{name}.json").write_text(json.dumps({**ROW, "id": name, **changes}))
        return tmp_path / f"{name}.json"

    return write


def read_texts(app):
    return " ".join(
        str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.warning, *app.subheader]
    )


def test_every_row_is_shown_with_its_verdict_and_the_first_one_opened(open_page, rows):
    rows("E10", title="Ten", checks=[CHECK, MISSED])
    rows("E3")
    app = open_page("evidence.py")
    assert not app.exception
    assert (
        "**1 of 2** experiments reach every threshold, **1** of them the stretch goals"
        in read_texts(app)
    )
    overview, details = app.dataframe[0].value, app.table[0].value
    assert list(overview[""]) == ["E3", "E10"] and list(overview["Verdict"]) == [
        "★ stretch goal",
        "✕ miss",
    ]
    assert list(details["Ours"]) == ["2.90 ± 0.02", "2.90 ± 0.02"] and list(
        details["Threshold"]
    ) == [
        "≤ 3.30",
        "",
    ]
    assert "stretch goal" in details["Figure"][0] and "no threshold" in details["Figure"][1]
    assert (
        "E3 Deep" in read_texts(app)
        and "A note." in read_texts(app)
        and "https://example.org/x%2889%291" in read_texts(app)
    )
    assert len(app.get("plotly_chart")) == 2 and len(app.image) == 1
    assert app.code[0].value == "python -m bench.fidelity E3"


def test_a_figure_that_missed_stands_for_its_experiment(open_page, rows):
    between = {**CHECK, "what": "NLL", "ours": 92.0, "bar": [89.0, 91.0], "moonshot": None}
    rows("E4", checks=[CHECK, between])
    overview = open_page("evidence.py").dataframe[0].value
    assert overview["Figure"][0] == "NLL" and overview["Ours"][0] == "92"
    (row,), _ = read_experiments()
    drawn = scale_figures(row)[0]
    assert (drawn.state, drawn.ours) == ("miss", -0.5)
    assert EvidenceCheck(**{**between, "ours": 90.0}).scale(90.0) is None


def test_a_link_opens_its_experiment(open_page, rows):
    rows("E3")
    rows("E10", title="Ten")
    app = open_page("evidence.py", experiment="E10")
    assert "E10 Ten" in read_texts(app) and "no result" not in read_texts(app)


def test_a_link_to_an_experiment_without_a_row_says_so_and_opens_the_first(open_page, rows):
    rows("E3")
    app = open_page("evidence.py", experiment="E77")
    assert not app.exception
    assert "no result of 'E77'" in read_texts(app) and "E3 Deep" in read_texts(app)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(path.read_text()[:200]),
        lambda path: path.write_text("[1, 2]"),
        lambda path: path.write_text(path.read_text().replace('"E3"', '"E4"')),
        lambda path: path.write_text(path.read_text() + " " * 2_000_000),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: path.write_text(path.read_text().replace("2.9", "NaN")),
        lambda path: path.write_text(path.read_text().replace("E3-0.png", "../../secret.png")),
        lambda path: path.write_text(
            path.read_text().replace("https://example.org", "javascript:alert")
        ),
    ],
)
def test_a_torn_or_hostile_row_is_named_and_the_others_shown(open_page, rows, damage):
    rows("E10", title="Ten")
    damage(rows("E3"))
    app = open_page("evidence.py")
    assert not app.exception
    assert "E3.json cannot be shown" in read_texts(app) and "E10 Ten" in read_texts(app)


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\x89PNG, torn")]
)
def test_a_picture_that_is_missing_or_torn_is_named(open_page, rows, damage):
    damage(rows("E3").with_name("E3-0.png"))
    app = open_page("evidence.py")
    assert not app.exception
    assert "E3-0.png is missing or torn" in read_texts(app) and "A note." in read_texts(app)


@pytest.mark.parametrize(
    "bar, moonshot, paper, place",
    [
        ([None, 3.3], [None, 3.0], 3.0, 1.0),
        ([1.0, None], [3.0, None], 2.0, 0.5),  # higher is better
        ([1.0, None], [3.0, None], 0.0, -0.5),  # missed
        ([88.9, 90.4], None, 89.0, None),
        ([88.9, 90.4], [None, 88.7], 89.0, None),
        ([1.0, None], [0.5, None], 1.7, None),  # the moonshot is no higher
        ([80.0, None], None, 79.2, -0.01),  # missed, without a moonshot: a share of the bar
        ([80.0, None], None, 81.0, None),
        ([None, 80.0], None, 84.0, -0.05),
        (None, None, 3.0, None),
    ],
)
def test_a_figure_is_placed_between_bar_and_moonshot_whichever_way_is_better(
    bar, moonshot, paper, place
):
    check = EvidenceCheck.model_validate({**CHECK, "bar": bar, "moonshot": moonshot})
    assert check.scale(paper) == (None if place is None else pytest.approx(place))


def test_the_overview_draws_each_figure_by_its_verdict_and_keeps_the_far_ones_on_the_edge(rows):
    rows("E3", checks=[CHECK, {**CHECK, "ours": 3.1}, {**CHECK, "ours": 99.0}])
    rows("E0", checks=[{**CHECK, "moonshot": None}])
    drawn = draw_verdicts(make_verdict_rows(read_experiments()[0]))
    assert {trace.name: trace.x[0] for trace in drawn.data} == pytest.approx(
        {"paper": 1.0, "stretch goal": 4 / 3, "pass": 2 / 3, "miss": drawn.layout.xaxis.range[0]}
    )
    assert (
        len({trace.marker.symbol for trace in drawn.data})
        == len({trace.marker.color for trace in drawn.data})
        == 4
    )
    assert {"1 of 1 reached", "2 of 3 reached", "no stretch goal"} <= {
        note.text for note in drawn.layout.annotations
    }


def test_the_overview_draws_a_missed_figure_that_has_no_moonshot_and_titles_keep_left_of_the_bar(
    rows,
):
    only_bar = {**CHECK, "bar": [3.0, None], "moonshot": None}
    rows("E9", title="A deep autoencoder beats PCA four times over", checks=[CHECK, only_bar])
    drawn = draw_verdicts(make_verdict_rows(read_experiments()[0]))
    (missed,) = [trace for trace in drawn.data if trace.name == "miss"]
    assert missed.x[0] == pytest.approx(-0.1 / 3) and missed.marker.size[0] == FIRST_FIGURE_SIZE
    title = drawn.layout.annotations[2].text.rpartition("</span>")[2]
    assert max(map(len, title.split("<br>"))) <= LINE_LETTERS


def test_without_any_row_the_command_that_makes_them_is_told(open_page, rows):
    app = open_page("evidence.py")
    assert not app.exception
    assert EVIDENCE_COMMAND in read_texts(app)


def test_the_rows_that_come_with_the_code_are_sound():
    found, problems = read_experiments()
    assert not problems and found
    for row in found:
        assert all((EVIDENCE_FOLDER / picture.file).is_file() for picture in row.pictures)

"""The Home page."""

from __future__ import annotations

import pytest

from aecore.model.variants import VARIANTS
from aecore.runs.listing import is_shipped_run, list_runs


def read_texts(app):
    return " ".join(
        str(element.value) for element in [*app.markdown, *app.caption, *app.info, *app.title]
    )


def test_home_shows_a_shipped_model_at_work(open_page):
    app = open_page("home.py")
    assert not app.exception
    assert "squared error" in read_texts(app)
    assert len(app.image) >= 2


def test_home_without_any_model_says_so_and_still_explains_the_variant(open_page, no_shipped):
    app = open_page("home.py")
    assert not app.exception
    assert "No VAE model is shipped" in read_texts(app)
    assert app.latex


@pytest.mark.parametrize("family", sorted({v.family for v in VARIANTS.values()}))
def test_home_opens_every_family_by_its_link(open_page, family):
    app = open_page("home.py", family=family)
    assert not app.exception
    label = next(v.label for v in VARIANTS.values() if v.family == family)
    assert label in [subheader.value for subheader in app.subheader]


def test_home_says_when_digits_stand_in_for_mnist(open_page, tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    app = open_page("home.py")
    assert not app.exception
    assert "digits stand in" in read_texts(app)


def test_every_shipped_family_has_a_model_that_loads(open_page):
    shipped = [run for run in list_runs() if is_shipped_run(run.path)]
    families = {VARIANTS[run.config().model.variant].family for run in shipped}
    assert families == {v.family for v in VARIANTS.values()}


def test_a_variant_whose_only_shipped_run_takes_a_table_is_said_to_have_none(open_page):
    app = open_page("home.py")
    app.session_state["variant-Variational"] = "iwae"
    app.run()
    assert not app.exception and not app.error
    assert "No IWAE model is shipped" in app.info[0].value

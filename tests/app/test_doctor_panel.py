"""The model doctor on a run's page: which runs it does not examine, and why."""

from __future__ import annotations

from aecore.data.catalog import CatalogEntry
from tests.app.conftest import let_the_doctor_look


def test_the_doctor_looks_again_when_the_data_have_come(open_page, trained, monkeypatch):
    run = trained("vanilla")
    with monkeypatch.context() as patch:
        patch.setattr(CatalogEntry, "is_local", lambda entry: False)
        app = let_the_doctor_look(open_page("train.py", run=run.id))
        assert any("examined: its own data are not here" in c.value for c in app.caption)
    app = let_the_doctor_look(app.run())
    assert not app.exception
    assert any("Compared with PCA" in c.value for c in app.caption)

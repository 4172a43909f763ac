"""The app without a browser: pages run as Streamlit runs them, on runs made for the test."""

from __future__ import annotations

import functools
import os
import shutil
import time
from pathlib import Path

import pytest
from helpers import wait_for
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from aecore.data.catalog import CATALOG
from aecore.runs.listing import create_run
from aecore.runs.ownership import Visitor, digest_secret
from aecore.runs.plan import plan_run
from aecore.training.speed import MachineSpeed
from aecore.training.trainer import fit
from ui.kit import browser_id, visitor
from ui.kit.jobs import RUNNING, get_job_registry
from ui.kit.memory import memory_store
from ui.kit.photo import PHOTO_KEY, Photo

ROUTER = str(Path(__file__).parents[2] / "pages" / "_router.py")
NEWER = 20_000_000  # nanoseconds, more than the steps in which a file system tells the time


@pytest.fixture(scope="session", autouse=True)
def known_components():
    """Every AppTest looks through all installed packages for components: once is enough."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(autouse=True)
def known_speed(monkeypatch):
    """As if this machine had been measured: no thread computes when a test ends."""
    measure = functools.cache(lambda: MachineSpeed(1e-3, 1e-10))
    measure()
    monkeypatch.setattr("ui.train.estimate.measure_machine_speed", measure)


@pytest.fixture
def no_shipped(tmp_path, monkeypatch):
    """As if the checkpoints that come with the code were not there."""
    empty = tmp_path / "shipped"
    empty.mkdir()
    monkeypatch.setattr("aecore.runs.listing.SHIPPED_FOLDER", empty)


@pytest.fixture
def visit_as(monkeypatch):
    """Returns a function that makes the next pages those of a stranger's browser on a Space."""

    def visit(name: str) -> Visitor:
        monkeypatch.setenv("AECORE_PUBLIC", "1")
        for module in (browser_id, visitor):
            monkeypatch.setattr(module, "read_visitor_cookie", lambda: name)
        return Visitor((digest_secret("visitor", name),))

    return visit


@pytest.fixture
def open_page():
    """Open a page by its file, with address parameters; the app's first run is the router's."""

    def opened(page: str, **params: str | list[str]) -> AppTest:
        app = AppTest.from_file(ROUTER, default_timeout=300)
        for name, value in params.items():
            app.query_params[name] = value
        app.run()
        return app if page == "home.py" else app.switch_page(page).run()

    return opened


def list_bars(app: AppTest) -> list[str]:
    return [str(bar.proto) for name in ("progress", "status") for bar in app.get(name)]


def let_the_doctor_look(app: AppTest) -> AppTest:
    """Wait for the doctor, then run the page, which shows what it found."""
    wait_for(lambda: RUNNING not in get_job_registry().outcomes.values(), "the doctor has looked")
    return app.run()


def finish_jobs(app: AppTest) -> AppTest:
    """Wait for the page's threads, then run it, as its fragment would, until no bar moves."""
    before: list[str] = []
    while (bars := list_bars(app)) and bars != before:
        before = bars
        wait_for(
            lambda: RUNNING not in get_job_registry().outcomes.values(),
            "the page's threads have ended",
            300,
        )
        app.run()
    return app


def bring_photo(app: AppTest, photo: Photo) -> AppTest:
    """As if this picture had come from the visitor's disk; waits until the page's jobs are done."""
    memory_store.keep("a photo", photo)
    app.session_state[PHOTO_KEY] = "a photo"
    app.run()
    registry = get_job_registry()
    wait_for(lambda: not registry.working, "the photo is computed")
    return app.run()


@pytest.fixture(scope="session")
def trained_before(tmp_path_factory):
    """Small runs on data of the catalog, by variant, data and settings: each is trained once."""
    return {}, tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(trained_before):
    """A function that gives a small run, trained, in the test's own folder."""
    known, folder = trained_before
    newest = 0

    def train(variant="vae", data="digits", **settings):
        nonlocal newest
        settings = {"training.epochs": 2, "data.limit": 200, **settings}
        config = plan_run(variant, data, settings=settings)
        run = create_run(config)
        if data in CATALOG:
            key = config.model_dump_json()
            if key not in known:
                known[key] = create_run(config, folder / str(len(known)))
                list(fit(known[key]))
            shutil.copytree(
                known[key].path,
                run.path,
                ignore=shutil.ignore_patterns("config.json"),
                dirs_exist_ok=True,
            )
        else:
            list(fit(run))
        newest = max(
            time.time_ns(), newest + NEWER
        )  # runs are listed by their age, and copies are quickly made
        os.utime(run.path / "config.json", ns=(newest, newest))
        return run

    return train

"""Jobs of pages: those that start by themselves, and which outcomes a session keeps."""

from __future__ import annotations

import threading

import pytest
from helpers import wait_for
from streamlit.testing.v1 import AppTest

from aecore.backends.base import RemoteJob
from aecore.errors import AecoreError
from ui.kit.jobs import NEXT_RERUN_KEY, SESSION_KEY, get_job_registry


class Bench:
    """What a page measures, of which version, and how often it did."""

    def __init__(self) -> None:
        self.version, self.calls, self.go_on = 1, [], threading.Event()
        self.fails = False

    def measure(self):
        version = self.version
        self.calls.append(version)
        self.go_on.wait(300)
        if self.fails:
            raise AecoreError("No room. Try again in a few minutes.")
        return version


def show_measurement():
    import streamlit as st

    from ui.kit.jobs import note_page_run
    from ui.kit.measurement import wait_for_measurement

    note_page_run()
    bench = st.session_state["bench"]
    found = wait_for_measurement("bench", bench.version, "Measuring ...", bench.measure)
    st.markdown(f"shown: {found.version if found else 'nothing'}")


def show_hub_jobs():
    import streamlit as st

    from ui.kit.hub_account import forget_results
    from ui.kit.jobs import read_job_outcome, start_job

    if "started" not in st.session_state:
        st.session_state["started"] = True
        for name in ("mine", "search"):
            start_job(name, st.session_state["bench"].measure)
        forget_results()
    st.markdown(" ".join(read_job_outcome(name).state for name in ("mine", "search")))


def show_found_jobs():
    from types import SimpleNamespace

    import streamlit as st

    from ui.train import backend_form

    finder = st.session_state["finder"]
    entry = SimpleNamespace(open=lambda _: finder, account="the cluster")
    backend_form.show_found_jobs(entry)


def wait_until_idle():
    wait_for(lambda: not get_job_registry().working, "the threads end")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setattr("ui.kit.measurement.PATIENCE", 0.0)
    made = Bench()
    yield made
    made.go_on.set()
    wait_until_idle()


def open_bench(bench, page=show_measurement):
    app = AppTest.from_function(page, default_timeout=300)
    app.session_state["bench"] = bench
    return app.run()


def read(app):
    assert not app.exception
    return app.markdown[0].value


def test_what_trains_is_shown_as_it_was_before_it_is_measured_again(bench):
    app = open_bench(bench)
    assert read(app) == "shown: nothing"
    wait_for(lambda: bench.calls == [1], "it measures")
    bench.version = 2  # an epoch has ended meanwhile
    bench.go_on.set()
    wait_until_idle()
    assert read(app.run()) == "shown: 1"
    app.session_state[NEXT_RERUN_KEY] = True  # another job of the page has ended
    assert read(app.run()) == "shown: 1" and bench.calls == [1]
    app.run()
    wait_until_idle()
    assert read(app.run()) == "shown: 2" and bench.calls == [1, 2]


def test_a_measurement_whose_job_was_dropped_begins_again(bench):
    app = open_bench(bench)
    registry = get_job_registry()
    registry.drop([f"{app.session_state[SESSION_KEY]}-bench"])
    bench.go_on.set()
    wait_until_idle()
    app.run()
    wait_until_idle()
    assert read(app.run()) == "shown: 1" and bench.calls == [1, 1]


def test_a_measurement_that_failed_is_tried_again_on_request_alone(bench):
    bench.fails = True
    bench.go_on.set()
    app = open_bench(bench)
    wait_until_idle()
    for _ in range(2):
        assert "No room" in app.run().error[0].value and bench.calls == [1]
    bench.fails = False
    next(button for button in app.button if button.label == "Try again").click().run()
    wait_until_idle()
    assert read(app.run()) == "shown: 1" and not app.error


def test_a_measurement_that_was_refused_begins_by_itself_when_there_is_room(bench, monkeypatch):
    from ui.kit.jobs import has_room_for_job

    answers = []

    def look_when_others_have_ended():
        answers.append(has_room_for_job())
        monkeypatch.setattr("ui.kit.jobs.VISITOR_JOBS", 1)
        answers.append(has_room_for_job())
        return answers[-1]

    monkeypatch.setenv("AECORE_PUBLIC", "1")
    monkeypatch.setattr("ui.kit.jobs.VISITOR_JOBS", 0)
    monkeypatch.setattr("ui.kit.measurement.has_room_for_job", look_when_others_have_ended)
    app = open_bench(bench)
    assert answers == [False, True] and not app.error
    wait_for(lambda: bench.calls == [1], "it measures")
    assert app.session_state["is-rerun-by-job"]


def test_another_account_drops_the_jobs_of_the_hub_alone(bench):
    app = open_bench(bench, show_hub_jobs)
    assert read(app) == "running idle"
    bench.go_on.set()
    wait_until_idle()
    assert read(app.run()) == "done idle"


class SlowFinder:
    """Finds one job, and brings it, when the test lets it."""

    def __init__(self, bench):
        self.bench = bench

    def jobs(self, user):
        self.bench.measure()
        return [RemoteJob("a-run", "job1", "RUNNING", "cpu")]

    def bring(self, job):
        self.bench.measure()
        raise AecoreError("It is gone.")


def test_jobs_elsewhere_are_looked_for_and_brought_one_at_a_time(bench, monkeypatch):
    for name in ("get_hub_token", "get_hub_name"):
        monkeypatch.setattr(f"ui.train.backend_form.{name}", lambda: "alice")
    app = AppTest.from_function(show_found_jobs, default_timeout=300)
    app.session_state["finder"] = SlowFinder(bench)
    app.run()
    for place in range(2):  # look, then bring
        bench.go_on.clear()
        app.button[place].click().run()
        assert not app.exception and app.button[place].disabled
        bench.go_on.set()
        wait_until_idle()
        assert not app.run().button[place].disabled
    assert "It is gone." in app.error[0].value

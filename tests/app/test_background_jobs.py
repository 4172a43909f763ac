"""Jobs of pages: those that start by themselves, and which outcomes a session keeps."""

from __future__ import annotations

import threading

import pytest
from helpers import wait_for
from streamlit.testing.v1 import AppTest

from aecore.backends.base import RemoteJob
from aecore.errors import AecoreError, ConfigError, DataError, RoomError, StorageError
from ui.kit.jobs import NEXT_RERUN_KEY, RERUN_KEY, SESSION_KEY, get_job_registry


class SlowMeasurement:
    """A measurement of `version` that ends when `go_on` is set; `calls` are the versions so far."""

    def __init__(self) -> None:
        self.version, self.calls, self.go_on = 1, [], threading.Event()
        self.fails, self.error = False, AecoreError("No room. Try again in a few minutes.")

    def measure(self):
        version = self.version
        self.calls.append(version)
        self.go_on.wait(300)
        if self.fails:
            raise self.error
        return version


def show_measurement():
    import streamlit as st

    from ui.kit.jobs import note_page_run
    from ui.kit.measurement import wait_for_measurement

    note_page_run()
    slow = st.session_state["slow"]
    found = wait_for_measurement("slow", slow.version, "Measuring ...", slow.measure)
    st.markdown(f"shown: {found.version if found else 'nothing'}")


def show_hub_jobs():
    import streamlit as st

    from ui.kit.hub_account import forget_results
    from ui.kit.jobs import read_job_outcome, start_job

    if "started" not in st.session_state:
        st.session_state["started"] = True
        for name in ("mine", "search"):
            start_job(name, st.session_state["slow"].measure)
        forget_results()
    st.markdown(" ".join(read_job_outcome(name).state for name in ("mine", "search")))


def show_found_jobs():
    from types import SimpleNamespace

    import streamlit as st

    from ui.train import backend_form

    finder = st.session_state["finder"]
    entry = SimpleNamespace(open=lambda _: finder, account="the cluster")
    backend_form.show_found_jobs(entry)


def show_button_of_job():
    import streamlit as st

    from ui.kit.jobs import is_job_running, note_page_run, poll_job, start_job

    note_page_run()
    if st.button("Measure", disabled=is_job_running("slow")):
        start_job("slow", st.session_state["slow"].measure)
        st.rerun()
    st.session_state["before looking"]()
    st.markdown(poll_job("slow", "Measuring ...").state)


def wait_until_idle():
    wait_for(lambda: not get_job_registry().working, "the threads end")


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr("ui.kit.measurement.PATIENCE", 0.0)
    measurement = SlowMeasurement()
    yield measurement
    measurement.go_on.set()
    wait_until_idle()


def open_measured(slow, page=show_measurement):
    app = AppTest.from_function(page, default_timeout=300)
    app.session_state["slow"] = slow
    return app.run()


def read(app):
    assert not app.exception
    return app.markdown[0].value


def test_what_trains_is_shown_as_it_was_before_it_is_measured_again(slow):
    app = open_measured(slow)
    assert read(app) == "shown: nothing"
    wait_for(lambda: slow.calls == [1], "it measures")
    slow.version = 2  # an epoch has ended meanwhile
    slow.go_on.set()
    wait_until_idle()
    assert read(app.run()) == "shown: 1"
    app.session_state[NEXT_RERUN_KEY] = True  # another job of the page has ended
    assert read(app.run()) == "shown: 1" and slow.calls == [1]
    app.run()
    wait_until_idle()
    assert read(app.run()) == "shown: 2" and slow.calls == [1, 2]


def test_a_measurement_whose_job_was_dropped_begins_again(slow):
    app = open_measured(slow)
    registry = get_job_registry()
    registry.drop([f"{app.session_state[SESSION_KEY]}-slow"])
    slow.go_on.set()
    wait_until_idle()
    app.run()
    wait_until_idle()
    assert read(app.run()) == "shown: 1" and slow.calls == [1, 1]


def test_a_measurement_that_failed_is_tried_again_on_request_alone(slow):
    slow.fails = True
    slow.go_on.set()
    app = open_measured(slow)
    wait_until_idle()
    for _ in range(2):
        assert "No room" in app.run().error[0].value and slow.calls == [1]
    slow.fails = False
    next(button for button in app.button if button.label == "Try again").click().run()
    wait_until_idle()
    assert read(app.run()) == "shown: 1" and not app.error


@pytest.mark.parametrize(
    ("error", "can_help"),
    [(DataError, False), (ConfigError, False), (RoomError, True), (StorageError, True)],
)
def test_trying_again_is_offered_where_it_can_help(slow, error, can_help):
    slow.fails, slow.error = True, error("It failed.")
    slow.go_on.set()
    app = open_measured(slow)
    wait_until_idle()
    assert "It failed." in app.run().error[0].value
    assert ("Try again" in [button.label for button in app.button]) == can_help


def test_a_measurement_that_was_refused_begins_by_itself_when_there_is_room(slow, monkeypatch):
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
    app = open_measured(slow)
    assert answers == [False, True] and not app.error
    wait_for(lambda: slow.calls == [1], "it measures")
    assert app.session_state[RERUN_KEY]


@pytest.mark.parametrize("fails", [False, True])
def test_a_button_is_free_though_its_job_ends_while_the_page_is_drawn(slow, fails):
    slow.fails = fails
    app = AppTest.from_function(show_button_of_job, default_timeout=300)
    app.session_state["slow"], app.session_state["before looking"] = slow, lambda: None
    app.run().button[0].click().run()
    assert app.button[0].disabled and read(app) == "running"

    def end_job():
        slow.go_on.set()
        wait_until_idle()

    app.session_state["before looking"] = end_job
    app.run()
    assert not app.button[0].disabled and read(app) == ("failed" if fails else "done")
    assert len(app.error) == fails


def test_another_account_drops_the_jobs_of_the_hub_alone(slow):
    app = open_measured(slow, show_hub_jobs)
    assert read(app) == "running idle"
    slow.go_on.set()
    wait_until_idle()
    assert read(app.run()) == "done idle"


class SlowFinder:
    """Finds one job, and brings it, when the test lets it."""

    def __init__(self, slow):
        self.slow = slow

    def jobs(self, user):
        self.slow.measure()
        return [RemoteJob("a-run", "job1", "RUNNING", "cpu")]

    def bring(self, job):
        self.slow.measure()
        raise AecoreError("It is gone.")


def test_jobs_elsewhere_are_looked_for_and_brought_one_at_a_time(slow, monkeypatch):
    for name in ("get_hub_token", "get_hub_name"):
        monkeypatch.setattr(f"ui.train.backend_form.{name}", lambda: "alice")
    app = AppTest.from_function(show_found_jobs, default_timeout=300)
    app.session_state["finder"] = SlowFinder(slow)
    app.run()
    for place in range(2):  # look, then bring
        slow.go_on.clear()
        app.button[place].click().run()
        assert not app.exception and app.button[place].disabled
        slow.go_on.set()
        wait_until_idle()
        assert not app.run().button[place].disabled
    assert "It is gone." in app.error[0].value

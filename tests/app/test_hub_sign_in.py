"""Signing in for the frame of a Space, and how an account ends: the frame and the tab as pages."""

from __future__ import annotations

import math
import threading
from types import SimpleNamespace

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aecore.hub.push import push_run
from aecore.runs.listing import list_runs
from aecore.runs.ownership import digest_secret, read_owner_record
from tests.app.conftest import finish_jobs
from tests.hub.loopback import LoopbackHub
from ui.kit.hub_accounts import SIGN_IN_SECONDS, HubAccount, HubAccounts, get_hub_accounts
from ui.kit.hub_handover import HANDOVER_COOKIE, HANDOVER_SECONDS, get_handover_desk
from ui.kit.routes import HANDOVER_ROUTE
from ui.kit.sessions import session_watch

NOW = 1_000_000.0


class Browser:
    """The cookies of the page that runs next, and the time of this server."""

    def __init__(self, monkeypatch, open_page):
        self.cookies, self.now, self.open_page = {}, NOW, open_page
        monkeypatch.setattr(type(st.context), "cookies", property(lambda _: self.cookies))
        get_hub_accounts.cache_clear()
        get_handover_desk.cache_clear()
        for memory in (get_hub_accounts(), get_handover_desk()):
            monkeypatch.setattr(memory, "clock", lambda: self.now)

    def show(self, app):
        """Run a page of a browser again, with its own cookies."""
        self.cookies = app.cookies
        app.run()
        assert not app.exception
        return app

    def open(self, page="hub.py", user=None, **cookies):
        """Open a page of a browser with these cookies, where a user may be signed in."""
        self.cookies = cookies
        app = self.open_page(page)
        app.cookies = cookies
        if user:
            app.user = {
                "is_logged_in": True,
                "preferred_username": user,
                "iat": self.now,
                "tokens": {"access": f"hf_oauth_{user}"},
            }
        return self.show(app)

    def open_frame(self, visitor="ann"):
        """Open the page Hub in a frame: no cookie but that of the visitor."""
        return self.open(aecore_visitor=visitor)

    def follow(self, frame, user="alice"):
        """Open the tab of a frame's link, where a user is signed in."""
        return self.open(
            user=user, _streamlit_xsrf="x", **{HANDOVER_COOKIE: read_link(frame).split("=")[1]}
        )

    def press(self, app, label):
        self.cookies = app.cookies
        next(button for button in app.button if button.label == label).click().run()
        assert not app.exception
        return app


class CallAtOnce(threading.Thread):
    """A thread that has ended when it was started."""

    def start(self):
        self.run()


@pytest.fixture
def browser(monkeypatch, open_page):
    users = {"hf_oauth_alice": "alice", "hf_oauth_bob": "bob"}
    with LoopbackHub(users=users) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("AECORE_PUBLIC", "1")
        monkeypatch.setenv("OAUTH_CLIENT_ID", "lab")
        monkeypatch.setenv("SPACE_HOST", "lab.test")
        made = Browser(monkeypatch, open_page)
        made.hub = hub
        yield made


def read_link(frame):
    return frame.link_button[0].proto.url


def read_code(frame):
    return next(c.value for c in frame.caption if "this page's code" in c.value).split("**")[1]


def read_text(app):
    return " ".join(
        str(e.value) for e in [*app.success, *app.info, *app.warning, *app.markdown, *app.error]
    )


def list_labels(app):
    return [button.label for button in app.main.button]


def is_signed_in(app):
    return "Signed in as **alice**" in read_text(app)


def sign_in(browser, user="alice", visitor="ann"):
    """Sign a frame in through a tab; returns both."""
    frame = browser.open_frame(visitor)
    tab = browser.follow(frame, user)
    browser.press(tab, read_code(frame))
    return browser.show(frame), tab


def follow_link(link):
    """Return the answer to a browser that opens a link."""
    client = TestClient(Starlette(routes=[HANDOVER_ROUTE]), follow_redirects=False)
    return client.get(link.removeprefix("https://lab.test"))


def test_a_frame_gets_the_account_whose_tab_chose_its_code(browser):
    frame = browser.open_frame()
    assert "Sign in with Hugging Face" not in list_labels(frame), "it could not be kept there"
    answer = follow_link(read_link(frame))
    assert answer.headers["location"] == "/hub"
    secret = read_link(frame).split("=")[1]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{HANDOVER_COOKIE}={secret}; HttpOnly; Max-Age=300;")
    assert "SameSite=lax; Secure" in cookie

    tab = browser.follow(frame)
    assert "Sign in as alice on the page that you came from?" in read_text(tab)
    assert "push models, read private ones and pay for jobs as **alice**" in read_text(tab)
    assert not is_signed_in(browser.show(frame)), "nothing happens without a click"
    assert read_code(frame) in list_labels(tab)
    browser.press(tab, read_code(frame))
    assert "the other page is signed in" in read_text(tab)
    assert is_signed_in(browser.show(frame))
    assert is_signed_in(browser.open_frame()), "a reload is no leaving"
    assert not is_signed_in(browser.open_frame("ben")), "another browser is another visitor"


def test_a_tab_that_is_not_signed_in_asks_for_that_first(browser):
    tab = browser.follow(browser.open_frame(), user=None)
    assert list_labels(tab)[:2] == ["Sign in with Hugging Face", "Cancel"]


def test_a_sign_in_that_returns_to_home_goes_on_with_the_question(browser):
    frame = browser.open_frame()
    secret = read_link(frame).split("=")[1]
    tab = browser.open("home.py", "alice", _streamlit_xsrf="x", **{HANDOVER_COOKIE: secret})
    assert read_code(frame) in list_labels(tab)


@pytest.mark.parametrize("answer", ["a wrong code", "Cancel"])
def test_any_other_answer_hands_nothing_over_and_ends_the_link(browser, answer):
    frame = browser.open_frame()
    code, link = read_code(frame), read_link(frame)
    tab = browser.follow(frame)
    codes = [label for label in list_labels(tab) if len(label) == len(code)]
    wrong = next(label for label in codes if label != code)
    browser.press(tab, wrong if answer == "a wrong code" else answer)
    assert "Nobody was signed in" in read_text(tab)
    assert not is_signed_in(browser.show(frame))
    assert read_link(frame) != link and read_code(frame) != code
    assert follow_link(link).headers["location"] == "/hub?link=old"


def test_a_link_counts_once_and_an_unknown_one_never(browser):
    frame = browser.open_frame()
    link, code = read_link(frame), read_code(frame)
    first, second = browser.follow(frame), browser.follow(frame, "bob")
    browser.press(first, code)
    browser.press(second, code)
    assert "Nobody was signed in" in read_text(second)
    assert is_signed_in(browser.show(frame))
    for address in (link, link[:-1], "https://lab.test/handover"):
        answer = follow_link(address)
        assert answer.headers["location"] == "/hub?link=old" and "set-cookie" not in answer.headers
    assert code not in list_labels(browser.follow(browser.open_frame("ben"), "bob"))


def test_a_link_counts_for_a_few_minutes(browser):
    frame = browser.open_frame()
    link, code = read_link(frame), read_code(frame)
    tab = browser.follow(frame)
    browser.now += HANDOVER_SECONDS - 1
    assert follow_link(link).headers["location"] == "/hub"
    browser.now += 1
    assert follow_link(link).headers["location"] == "/hub?link=old"
    browser.press(tab, code)
    assert "Nobody was signed in" in read_text(tab)
    assert not is_signed_in(browser.show(frame))
    assert read_link(frame) != link


def test_a_link_ends_with_the_page_that_shows_it(browser):
    desk = get_handover_desk()
    handover = desk.open()
    secret = handover.secret
    assert desk.find(secret) is handover
    del handover
    assert desk.find(secret) is None


@pytest.mark.parametrize("place", ["frame", "tab"])
def test_signing_out_in_either_place_ends_it_in_both(browser, place):
    frame, tab = sign_in(browser)
    browser.show(tab)
    assert is_signed_in(tab)
    browser.press(frame if place == "frame" else tab, "Sign out")
    assert not is_signed_in(browser.show(frame)) and not is_signed_in(browser.show(tab))
    assert "hf_oauth_alice" not in str(vars(get_hub_accounts()))


def test_an_account_ends_with_its_token_and_is_offered_again(browser):
    frame, tab = sign_in(browser)
    browser.now += SIGN_IN_SECONDS - 1
    assert is_signed_in(browser.show(frame)) and is_signed_in(browser.show(tab))
    browser.now += 1
    for page in (frame, tab):
        assert "You are no longer signed in" in read_text(browser.show(page))
    assert "hf_oauth_alice" not in str(vars(get_hub_accounts()))


@pytest.mark.parametrize("answers", ["at once", "later"])
def test_a_token_that_the_hub_refuses_is_asked_for_again(browser, monkeypatch, answers):
    frame, tab = sign_in(browser)
    del browser.hub.users["hf_oauth_alice"]
    if answers == "at once":  # while the page is being drawn, below what shows who is signed in
        monkeypatch.setattr("ui.kit.jobs.threading", SimpleNamespace(Thread=CallAtOnce))
    browser.press(frame, "Search")
    text = read_text(finish_jobs(frame))
    assert "does not accept this login" in text and not frame.error
    assert "You are no longer signed in" in text and frame.link_button
    assert not is_signed_in(browser.show(tab))


def test_who_signs_in_again_is_not_asked_for_it_any_more(browser):
    frame, _ = sign_in(browser)
    token = "hf_oauth_alice"
    name = browser.hub.users.pop(token)
    browser.press(frame, "Search")
    assert "does not accept this login" in read_text(finish_jobs(frame))
    browser.hub.users[token] = name
    get_hub_accounts().renew(token)  # the Hub would give another one
    browser.press(browser.follow(frame), read_code(frame))
    assert is_signed_in(browser.show(frame))
    assert "does not accept this login" not in read_text(frame)


def test_an_account_ends_when_the_last_session_of_its_browser_has_ended():
    accounts, account = HubAccounts(), HubAccount("alice", "hf_oauth_alice", math.inf)
    accounts.keep("ann", "first", account)
    assert accounts.find("ann", "second") == account and accounts.find("ben", "third") is None
    accounts.leave("first")
    accounts.leave("third")
    assert accounts.find("ann", "second") == account, "a page is open"
    accounts.leave("second")
    assert accounts.find("ann", "fourth") is None and not accounts.sessions


def test_a_session_that_ends_takes_the_account_of_its_frame_along(browser):
    frame, _ = sign_in(browser)
    for listener in session_watch.listeners:
        listener("test session id")
    assert not is_signed_in(browser.show(frame))


def test_another_account_sees_no_result_of_the_last(browser, trained):
    push_run(trained(), "alice/secret-vae", token="hf_oauth_alice", private=True)
    frame, _ = sign_in(browser)
    browser.press(frame, "Search")
    assert "alice/secret-vae" in read_text(finish_jobs(frame))
    browser.hub.users.pop("hf_oauth_alice")
    get_hub_accounts().end("hf_oauth_alice")
    browser.show(frame)
    browser.press(browser.follow(frame, "bob"), read_code(frame))
    browser.show(frame)
    assert "Signed in as **bob**" in read_text(frame)
    assert "alice/secret-vae" not in read_text(frame)


def test_what_a_frame_pulls_belongs_to_its_account(browser, trained):
    push_run(trained(), "alice/secret-vae", token="hf_oauth_alice", private=True)
    frame, _ = sign_in(browser)
    next(t for t in frame.text_input if t.key == "pull_repo").set_value("alice/secret-vae")
    browser.press(frame, "Pull")
    assert "is here" in read_text(finish_jobs(frame))
    (run,) = [run for run in list_runs() if run.id.startswith("alice--secret-vae")]
    assert read_owner_record(run.path).owner == digest_secret("account", "alice")

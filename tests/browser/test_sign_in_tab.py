"""Signing in with Hugging Face: at top level, and from the frame of a Space through a tab."""

from __future__ import annotations

import re

import pytest

from tests.browser.serving import name_address, reserved_port, serve, settle, visitor
from tests.hub.loopback import LoopbackHub
from tests.hub.openid import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, write_certificate
from tests.hub.pushed_runs import make_run

pytestmark = pytest.mark.browser

SPACE_PAGE = "https://huggingface.co/spaces/alice/lab"
STORED = """() => {
  const kept = [document.cookie];
  try { kept.push({...localStorage}, {...sessionStorage}); } catch {}  // a frame may have none
  return JSON.stringify(kept);
}"""


class Space:
    """A public server over HTTPS, the Hub and the provider that it is given."""

    def __init__(self, address, hub, provider):
        self.address, self.hub, self.provider = address, hub, provider


@pytest.fixture(scope="module")
def space(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    with LoopbackHub(users={}) as hub, OpenIdProvider(hub) as provider, reserved_port() as port:
        settings = write_certificate(folder) | {
            "SPACE_ID": "alice/lab",
            "SPACE_HOST": f"127.0.0.1:{port}",
            "AECORE_RUNS": str(folder / "runs"),
            "HF_ENDPOINT": hub.url,
            "OPENID_PROVIDER_URL": provider.url,
            "OAUTH_CLIENT_ID": CLIENT_ID,
            "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        }
        process = serve(port, **settings)
        yield Space(name_address(port, settings), hub, provider)
        process.kill()
        process.join()


@pytest.fixture
def person(browser):
    """A browser in which nobody is signed in."""
    with visitor(browser, ignore_https_errors=True) as context:
        yield context


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def sign_in(page, answer="Allow"):
    """Sign in from a page of the app: there, and back at Home."""
    press(page, "Sign in with Hugging Face")
    page.get_by_role("heading", name="Let the lab use your account, alice?").wait_for()
    press(page, answer)
    page.wait_for_url(re.compile(r"^https://127"))


def open_hub(page, space):
    page.goto(f"{space.address}/hub")
    settle(page)


def open_frame(context, space):
    """Open the page Hub in the frame of a page of another site."""
    body = f'<!doctype html><iframe width="1240" height="820" src="{space.address}/hub"></iframe>'
    context.grant_permissions(["local-network-access"])  # the Space of the test is this machine
    context.route(
        "https://huggingface.co/**",
        lambda route: route.fulfill(body=body, content_type="text/html"),
    )
    page = context.new_page()
    page.goto(SPACE_PAGE)
    frame = page.wait_for_selector("iframe").content_frame()
    frame.get_by_role("link", name="Sign in with Hugging Face").wait_for()
    return frame


def read_shown_code(frame):
    return frame.get_by_text("choose this page's code").locator("strong").inner_text()


def open_tab(context, frame):
    """Follow the frame's link; returns the tab that it opens."""
    with context.expect_page() as opened:
        frame.get_by_role("link", name="Sign in with Hugging Face").click()
    return opened.value


def test_a_refusal_signs_nobody_in_and_consent_does_until_the_token_ends(person, space):
    page = person.new_page()
    open_hub(page, space)
    sign_in(page, "Refuse")
    open_hub(page, space)
    sign_in(page)
    open_hub(page, space)
    page.get_by_text("Signed in as alice.").wait_for()

    space.provider.expire_tokens()
    press(page, "Search")
    page.get_by_text("does not accept this login").wait_for()
    page.get_by_text("You are no longer signed in. Sign in again.").wait_for()
    sign_in(page)
    open_hub(page, space)
    press(page, "Sign out")
    page.wait_for_url(f"{space.address}/")
    assert not [c for c in person.cookies() if c["name"].startswith("_streamlit_user")]
    open_hub(page, space)
    page.get_by_role("button", name="Sign in with Hugging Face").wait_for()


def test_a_frame_is_signed_in_through_a_tab_and_signed_out_from_it(person, space, tmp_path):
    frame = open_frame(person, space)
    tab = open_tab(person, frame)
    addresses = []
    for page in (tab, frame.page):
        page.on("request", lambda request: addresses.append(request.url))
    sign_in(tab)
    tab.get_by_text("Sign in as alice on the page that you came from?").wait_for()
    press(tab, read_shown_code(frame))
    tab.get_by_text("the other page is signed in").wait_for()
    frame.get_by_text("Signed in as alice.").wait_for()

    token = space.provider.tokens[-1]
    assert space.hub.users[token] == "alice"
    held = [cookie["name"] for cookie in person.cookies() if token in str(cookie)]
    assert all(name == "_streamlit_user_tokens" for name in held)
    assert len(addresses) > 3 and not [address for address in addresses if token in address]
    for place in (tab, frame):
        assert token not in place.evaluate(STORED) and token not in place.content()

    for name, data in read_model(tmp_path).items():
        space.hub.put_file("alice/secret", name, data)
    space.hub.repos["alice/secret"].private = True
    frame.get_by_label("Repository").first.fill("alice/secret")
    frame.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Pull").click()
    frame.get_by_text(re.compile("alice--secret-[0-9a-f]{6} is here")).wait_for()

    press(tab, "Sign out")
    tab.wait_for_url(f"{space.address}/")
    press(frame, "Search")
    frame.get_by_text("You are no longer signed in. Sign in again.").wait_for()


def read_model(folder):
    """Return the files of a model that somebody pushed."""
    run = make_run(folder / "pushed")
    names = ("config.json", "model.safetensors")
    return {name: (run.path / name).read_bytes() for name in names}


def test_a_link_that_was_sent_to_somebody_signs_in_nobody_but_by_their_choice(
    browser, person, space
):
    frame = open_frame(person, space)
    link = frame.get_by_role("link", name="Sign in with Hugging Face").get_attribute("href")
    code = read_shown_code(frame)
    with visitor(browser, ignore_https_errors=True) as victim:
        tab = victim.new_page()
        tab.goto(link)
        assert "secret" not in tab.url
        sign_in(tab)
        tab.get_by_text("Did somebody send you this link?").wait_for()
        tab.get_by_role("button", name=code, exact=True).wait_for()
        settle(tab)
        assert tab.get_by_role("button", name=re.compile("^[A-Z2-9]{4}$")).count() == 3
        press(tab, "Cancel")
        tab.get_by_text("Nobody was signed in on the other page").wait_for()
        tab.goto(link)
        tab.get_by_text("This link was used, or is too old").wait_for()
    assert frame.get_by_text("Signed in as").count() == 0

"""A first visit where nothing is downloaded and no other host answers: every page is real."""

from __future__ import annotations

import pytest

from bench.pages import CONTENT, ERRORS
from tests.browser.serving import go_on, server, settle

pytestmark = pytest.mark.browser
NAVIGATION_LINKS = "[data-testid=stSidebarNavLink]"
SHOWN = (
    f"{CONTENT}, [data-testid=stMain] [data-testid=stPageLink]"  # where nothing is yet, a way on
)
HOME_CANVAS = ".explorer-root canvas.here[aria-label^='Decoded at z']"


@pytest.fixture
def cut_off_server(tmp_path):
    """The app with no data set downloaded, and no runs but the shipped ones."""
    with server(AECORE_DATA=str(tmp_path / "data"), AECORE_RUNS=str(tmp_path / "runs")) as address:
        yield address


def test_every_page_shows_something_real_and_asks_no_other_host(own_page, cut_off_server):
    asked, problems = [], []
    own_page.context.route(
        lambda url: not url.startswith((cut_off_server, "data:", "blob:")),
        lambda route: (asked.append(route.request.url), route.abort()),
    )
    own_page.on(
        "console", lambda message: message.type == "error" and problems.append(message.text)
    )
    own_page.on("pageerror", lambda error: problems.append(str(error)))
    own_page.goto(cut_off_server)
    settle(own_page)
    icon = own_page.locator("link[rel~=icon]").first.get_attribute("href")  # not asked for here
    assert icon.startswith(("data:", "./", "/", cut_off_server))
    links = own_page.locator(NAVIGATION_LINKS)
    addresses = [link.get_attribute("href") for link in links.all()]
    assert len(addresses) > 10
    for address in addresses:
        go_on(own_page, address)
        own_page.locator(SHOWN).filter(visible=True).first.wait_for()
        assert own_page.locator(ERRORS).all_inner_texts() == [], address
        assert own_page.get_by_text("was not made for these pictures").count() == 0, address
        assert (asked, problems) == ([], []), address


def test_home_decodes_under_the_pointer_with_the_keyboard_too(page, app):
    page.goto(app)
    canvas = page.locator(HOME_CANVAS)
    before = canvas.get_attribute("aria-label")
    page.locator(".explorer-root .stage").hover(position={"x": 90, "y": 90})
    page.wait_for_function(
        "([text, before]) => text.getAttribute('aria-label') !== before",
        arg=[canvas.element_handle(), before],
    )
    before = canvas.get_attribute("aria-label")
    page.locator(".explorer-root .stage").press("ArrowRight")
    page.wait_for_function(
        "([text, before]) => text.getAttribute('aria-label') !== before",
        arg=[canvas.element_handle(), before],
    )


def test_a_digit_of_the_gallery_is_chosen_for_all_cards_and_a_card_explains(page, app):
    page.goto(app)
    page.get_by_role("radio", name="Digit 7").click()
    assert page.get_by_role("radio", name="Digit 7").get_attribute("aria-checked") == "true"
    cards = page.locator(".gallery .cards")
    assert cards.evaluate("(cards) => cards.style.getPropertyValue('--digit')") == "7"
    page.get_by_role("button", name="How it works: Contractive").click()
    page.get_by_role("dialog").get_by_text("Rifai").first.wait_for()

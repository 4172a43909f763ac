"""Every page in both themes by the rules of axe-core, as a screen reader's user would meet them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.serving import HANGS, settle, visitor

pytestmark = pytest.mark.browser

PAGES = (
    "",
    "data",
    "learn?lesson=elbo",
    "train",
    "train?run=mnist-vae",
    "compare",
    "my-things",
    "latent?run=mnist-vae&beside=mnist-vanilla",
    "generate",
    "units",
    "manifold",
    "features",
    "denoise",
    "compress",
    "search",
    "anomaly",
    "impute",
    "evidence",
    "hub",
)
SERIOUS = ("serious", "critical")
# Findings in markup of Streamlit or Plotly that no option of theirs changes: rule, what the
# element's HTML begins with, and why.
MARKUP_OF_OTHERS = (
    ("list", '<ul data-testid="stSidebarNavItems"', "headings of sections lie between the items"),
    ("listitem", "<li class=", "items of a section lie in a <ul> within a <div> of the list"),
    ("scrollable-region-focusable", '<span class="katex', "a wide formula scrolls by a pointer"),
)


@pytest.fixture(scope="module")
def axe():
    """Return the checker, whose package brings axe-core along."""
    from axe_playwright_python.sync_playwright import Axe

    return Axe()


@pytest.fixture(scope="module")
def themed_page(browser):
    """Give one tab in which the themes follow each other."""
    with visitor(browser) as context:
        yield context.new_page()


def list_findings(axe, page, **options):
    """Return (rule, HTML, what is wrong) of the serious findings in our own markup."""
    response = axe.run(page, options={"resultTypes": ["violations"], **options}).response
    return [
        (rule["id"], node["html"], node["failureSummary"])
        for rule in response["violations"]
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
        if not is_of_others(rule["id"], node["html"])
    ]


def is_of_others(rule, html):
    return any(rule == known and html.startswith(start) for known, start, _ in MARKUP_OF_OTHERS)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_serious_finding_in_either_theme(axe, themed_page, app, path):
    themed_page.emulate_media(color_scheme="light")
    themed_page.goto(f"{app}/{path}")
    settle(themed_page)
    assert list_findings(axe, themed_page) == []
    themed_page.emulate_media(color_scheme="dark")
    themed_page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'"
    )
    settle(themed_page)
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    assert list_findings(axe, themed_page, **contrast) == []


def test_a_dialog_gives_the_focus_back_to_the_button_that_opened_it(themed_page, app):
    themed_page.goto(app)
    settle(themed_page)
    button = themed_page.get_by_role("button", name="How it works: Linear")
    button.press("Enter")
    themed_page.get_by_role("dialog").wait_for()
    themed_page.keyboard.press("Escape")
    themed_page.get_by_role("dialog").wait_for(state="detached")
    expect(button).to_be_focused(timeout=1000 * HANGS)


def test_the_checker_sees_what_it_is_there_for(axe, themed_page, app):
    themed_page.emulate_media(color_scheme="light")
    themed_page.goto(f"{app}/hub")
    settle(themed_page)
    themed_page.evaluate(
        "document.querySelector('[data-testid=stMain] h1').style.color = '#d8d8d8';"
        "document.querySelector('[data-testid=stMain]').append(new Image());"
    )
    assert {"image-alt", "color-contrast"} <= {
        rule for rule, _, _ in list_findings(axe, themed_page)
    }

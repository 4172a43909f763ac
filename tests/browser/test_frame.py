"""The app in the frame of a page of another site, over HTTPS, as the Hub shows a Space."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.screenshots import CHROMIUM_ARGUMENTS
from tests.browser.conftest import CHROMIUM, OTHER_SITES
from tests.browser.serving import COUNT_RUNS, DROP_ZONE, HANGS, VIEWPORT, server, settle, visitor
from ui.kit.visitor_cookie import VISITOR_COOKIE

pytestmark = pytest.mark.browser

SPACE_PAGE = "https://huggingface.co/spaces/alice/lab"
PAGE_AROUND = """<!doctype html>
<iframe style="width: 1240px; height: 820px"></iframe>
<script>
  const app = "ADDRESS";
  document.querySelector("iframe").src = app + "/" + location.search + location.hash;
  addEventListener("message", ({ origin, data }) => {
    if (origin !== app || data.queryString === undefined) return;
    const address = new URL(location);
    address.search = data.queryString;
    address.hash = data.hash;
    history.replaceState(null, "", address);
  });
</script>"""


def make_certificate(folder):
    """Write a certificate that nobody has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab.test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    now = datetime.now(UTC)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.fixture(scope="module")
def space(browser, tmp_path_factory):
    """The address of a public server of a site of its own."""
    folder = tmp_path_factory.mktemp("space")
    make_certificate(folder)
    with server(
        SPACE_ID="alice/lab",
        AECORE_RUNS=str(folder / "runs"),
        STREAMLIT_SERVER_SSL_CERT_FILE=str(folder / "certificate.pem"),
        STREAMLIT_SERVER_SSL_KEY_FILE=str(folder / "key.pem"),
    ) as address:
        yield address.replace("127.0.0.1", "lab.test")


@pytest.fixture
def framed(browser, space):
    """A browser for which the Hub shows the Space in a frame."""
    with visitor(browser, ignore_https_errors=True) as context:
        show_in_frame(context, space)
        yield context


def show_in_frame(context, space):
    """Answer the browser's requests of the Hub by a page with the app in its frame."""
    context.grant_permissions(["local-network-access"])  # the Space of the test is this machine
    body = PAGE_AROUND.replace("ADDRESS", space)
    context.route(
        "https://huggingface.co/**",
        lambda route: route.fulfill(body=body, content_type="text/html"),
    )


def open_space(context, query=""):
    """Open the Space's page; returns it, and the frame in it."""
    page = context.new_page()
    page.goto(SPACE_PAGE + query)
    return page, find_frame(page)


def find_frame(page):
    """Return the frame of the Space's page, at rest."""
    frame = page.wait_for_selector("iframe").content_frame()
    settle(frame)
    return frame


def bring_table(frame, tmp_path):
    """Bring a small table on the page Data, and wait until it is shown."""
    table = tmp_path / "own.csv"
    table.write_text("a,b\n" + "".join(f"{i},{i * i % 7}\n" for i in range(40)))
    frame.locator(DROP_ZONE).locator("input[type=file]").set_input_files(table)
    frame.get_by_label("Your data").wait_for()


def is_table_shown(frame):
    """Return whether the page Data lists a table of the visitor, rather than nothing."""
    frame.get_by_label("Your data").or_(
        frame.get_by_text("begin with data that come with the app")
    ).wait_for()
    return frame.get_by_label("Your data").is_visible()


def name_outside(frame):
    """Return the address that the Space's page has for a place in its frame."""
    place = urlsplit(frame.url)
    return f"{SPACE_PAGE}?page={place.path[1:]}" + (f"&{place.query}" if place.query else "")


def go_to(frame, name):
    """Click a page in the navigation."""
    frame.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    frame.get_by_role("heading", name=name, exact=True).wait_for()
    settle(frame)


def test_a_visitor_is_known_again_in_the_frame_and_a_stranger_is_another(
    framed, browser, space, tmp_path
):
    page, frame = open_space(framed, "?page=data")
    bring_table(frame, tmp_path)
    (cookie,) = [c for c in framed.cookies() if c["name"] == VISITOR_COOKIE]
    assert cookie["partitionKey"] == "https://huggingface.co" and cookie["httpOnly"]
    page.reload()
    frame = find_frame(page)
    assert is_table_shown(frame)
    assert not frame.get_by_text("keeps no cookie").is_visible()
    with visitor(browser, ignore_https_errors=True) as other:
        show_in_frame(other, space)
        assert not is_table_shown(open_space(other, "?page=data")[1])


@pytest.fixture
def cookieless(browser, space, tmp_path):
    """A browser whose owner lets no site keep anything."""
    preferences = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    profile = tmp_path / "profile" / "Default"
    profile.mkdir(parents=True)
    (profile / "Preferences").write_text(json.dumps(preferences))
    context = browser.browser_type.launch_persistent_context(
        profile.parent,
        executable_path=CHROMIUM,
        args=[*CHROMIUM_ARGUMENTS, OTHER_SITES],
        ignore_https_errors=True,
        viewport=VIEWPORT,
    )
    context.set_default_timeout(1000 * HANGS)
    context.add_init_script(COUNT_RUNS)
    show_in_frame(context, space)
    yield context
    context.close()


def test_without_cookies_all_works_until_the_session_ends_and_the_page_says_so(
    cookieless, tmp_path
):
    page, frame = open_space(cookieless, "?page=data")
    frame.get_by_text("keeps no cookie").wait_for()
    bring_table(frame, tmp_path)
    go_to(frame, "Compare")
    go_to(frame, "Data")
    assert is_table_shown(frame)
    page.reload()
    assert not is_table_shown(find_frame(page))
    assert not cookieless.cookies()


def test_the_address_around_the_frame_follows_and_opens_the_same_place(framed):
    page, frame = open_space(framed)
    assert page.url == SPACE_PAGE
    go_to(frame, "Generate")
    page.wait_for_url(f"{SPACE_PAGE}?page=generate")
    frame.get_by_role("combobox", name="Run").click()
    frame.get_by_role("option", name="mnist-conv-vae", exact=True).click()
    page.wait_for_url(f"{SPACE_PAGE}?page=generate&run=mnist-conv-vae")
    again, frame = open_space(framed, page.url.removeprefix(SPACE_PAGE))
    frame.get_by_role("heading", name="Generate", exact=True).wait_for()
    assert frame.get_by_role("combobox", name="Run").input_value() == "mnist-conv-vae"
    assert frame.url.endswith("/generate?run=mnist-conv-vae")
    assert again.url == page.url
    go_to(frame, "Data")
    again.wait_for_url(f"{SPACE_PAGE}?page=data")
    frame.evaluate("history.back()")
    again.wait_for_url(lambda url: "page=data" not in url and url == name_outside(frame))


LOADS_PICTURE = """() => new Promise((done) => {
  const picture = new Image();
  document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
  picture.onload = () => done("shown");
  picture.src = "https://stranger.test/pixel.png";
})"""


def test_the_app_loads_nothing_of_strangers_and_stands_in_the_frame_of_none(framed, space):
    framed.route(
        "https://stranger.test/**",
        lambda route: route.fulfill(
            body=PAGE_AROUND.replace("ADDRESS", space), content_type="text/html"
        ),
    )
    _, frame = open_space(framed)
    assert frame.evaluate(LOADS_PICTURE) == "img-src"
    page = framed.new_page()
    page.goto("https://stranger.test")
    refused = page.wait_for_selector("iframe").content_frame()
    refused.wait_for_url("chrome-error://**")

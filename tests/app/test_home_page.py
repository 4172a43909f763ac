"""The Home page: the explorer of a shipped model, doors, and a gallery of all variants."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aecore.model.variants import VARIANTS
from ui.home.gallery import find_shipped_runs
from ui.home.hero import SHOWN_RUN
from ui.kit.routes import ROUTES
from ui.kit.shipped_explorer import PACKS_FOLDER, read_shipped_map

HERO_WITHOUT_TORCH = """
import sys
from ui.home.hero import show_hero
show_hero()
print("torch" in sys.modules)
"""


def read_cards(app):
    """The cards that the gallery got, by variant."""
    return {card["variant"]: card for card in json.loads(app.get_by_key("gallery").proto.json)}


def click_card(app, **click):
    """Send what the browser sends when a button of a card is clicked."""
    element, states = app.get_by_key("gallery"), app._tree.get_widget_states()
    state = states.widgets.add()
    state.id = element.proto.id
    state.json_value = json.dumps({"open": click})
    return app._run(states)


def test_home_shows_a_model_to_touch_and_all_variants_at_work(open_page):
    app = open_page("home.py")
    assert not app.exception and not app.error
    assert app.get_by_key(f"shipped-{SHOWN_RUN}").proto.bytes == read_shipped_map(SHOWN_RUN)
    cards = read_cards(app)
    assert list(cards) == list(VARIANTS)
    assert all("rebuilt" in card["lines"] and "code of" in card["note"] for card in cards.values())


def test_the_panel_that_trains_comes_when_it_is_asked_for(open_page):
    app = open_page("home.py")
    with pytest.raises(KeyError):
        app.get_by_key("home-training")
    app.toggle(key="home-panel").set_value(True).run()
    training = json.loads(app.get_by_key("home-training").proto.json)["training"]
    assert training["shape"] == [1, 28, 28] and "vae" in training["image"]


def test_the_top_of_home_needs_no_pytorch():
    command = [sys.executable, "-c", HERO_WITHOUT_TORCH]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_model_of_homes_explorer_is_sent_and_no_other_file():
    client = TestClient(Starlette(routes=ROUTES))
    address = re.search(r"shipped/[\w-]+/\w+", read_shipped_map(SHOWN_RUN).decode("latin-1"))[0]
    answer = client.get(f"/explorer/{address}")
    packed = (PACKS_FOLDER / f"{SHOWN_RUN}.model.gz").read_bytes()
    assert answer.status_code == 200 and answer.content == gzip.decompress(packed)
    for name in ("other", "..%2Fpacks%2Fmnist-vae-2d", "."):
        assert client.get(f"/explorer/shipped/{name}/0").status_code == 404


def test_home_without_any_model_says_so_and_still_shows_all_variants(open_page, no_shipped):
    app = open_page("home.py")
    assert not app.exception
    assert all("No model is shipped" in card["note"] for card in read_cards(app).values())


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_a_shipped_model(name):
    assert name in find_shipped_runs()


def test_other_digits_are_shown_at_the_next_turn(open_page):
    app = open_page("home.py")
    before = read_cards(app)["vae"]["sheet"]
    next(button for button in app.button if button.label == "Other digits").click().run()
    assert not app.exception and read_cards(app)["vae"]["sheet"] != before


def test_a_card_explains_its_variant(open_page):
    app = click_card(open_page("home.py"), action="explain", variant="contractive")
    assert not app.exception and app.latex and app.code
    assert any("Rifai" in caption.value for caption in app.caption)


@pytest.mark.parametrize("click", [{}, {"action": "explain", "variant": [1]}, {"action": {}}])
def test_a_click_that_no_card_sends_does_nothing(open_page, click):
    app = click_card(open_page("home.py"), **click)
    assert not app.exception and not app.latex

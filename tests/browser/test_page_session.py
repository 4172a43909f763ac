"""The harness's own client is a visitor as a browser is one: it clicks, and hears all answers."""

from __future__ import annotations

import random

import pytest
from helpers import run_async

from bench.reliability.clicks import click_anything
from bench.reliability.drop_zone import find_drop_zone, send_file
from bench.reliability.page_session import make_cookie, open_session
from tests.browser.serving import HANGS, server

CLICKS = 3


@pytest.mark.browser
def test_a_visitor_over_a_websocket_is_answered_and_known_again(own_runs, monkeypatch):
    monkeypatch.setattr("bench.reliability.page_session.ANSWER_SECONDS", HANGS)
    with server(AECORE_PUBLIC="1", AECORE_RUNS=str(own_runs)) as address:
        run_async(visit(address))


async def visit(address):
    cookie = make_cookie("somebody")
    async with open_session(address, cookie) as tab:
        answers = [await tab.go()]
        assert tab.find("heading").element.heading.body == "Autoencoder Lab"
        pressed = await tab.press(tab.find("button", "Other digits"))
        answers += [pressed, await tab.go("data")]
        assert tab.find("heading").element.heading.body == "Data"
        drop = find_drop_zone(tab)
        assert await send_file(address, cookie, drop, "rows.csv", b"a,b\n1,2\n") == "200"
        chance = random.Random(1)
        clicks = [await click_anything(tab, chance) for _ in range(CLICKS)]
        answers += [click.answer for click in clicks]
    assert [answer.problems for answer in answers] == [()] * len(answers)

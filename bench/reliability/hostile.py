"""Values and texts that programs stumble over."""

from __future__ import annotations

import json
import random
from typing import Any

TEXTS = (
    "",
    "\ud800 half a pair",
    "x" * 100_000,
    "../../etc/passwd",
    "/dev/zero",
    "/",
    "<script>alert(1)</script>",
    "![](http://127.0.0.1/x.png)",
    "=HYPERLINK(1)",
    "\x00\x1b[31m\u202e",
    "\n\n# Title\n---\n",
    "NaN",
    "digits",
    "\U0001f92f" * 50,
)
NUMBERS: tuple[Any, ...] = (
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**64),
    10**299,
    10**400,
    1e-320,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    16384,
    1_000_000,
    0.5,
)
OTHERS: tuple[Any, ...] = (None, True, [], {}, [[[]]], ["x"] * 3, {"kind": "mlp"}, [1, 1, 1])


def draw_value(rng: random.Random) -> Any:
    """Returns a value that is likely to be wrong."""
    return rng.choice(rng.choice((TEXTS, NUMBERS, OTHERS)))


def list_places(value: Any) -> list[tuple[Any, Any]]:
    """Returns (container, key) of everything inside of a JSON value."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return []
    places = [(value, key) for key in keys]
    return places + [place for key in keys for place in list_places(value[key])]


def spoil_json(rng: random.Random, text: str, count: int = 1) -> str:
    """Replaces, adds or removes values of a JSON text."""
    value = json.loads(text)
    for _ in range(count):
        places = list_places(value)
        if not places:
            break
        container, key = rng.choice(places)
        kind = rng.random()
        if kind < 0.1 and isinstance(container, dict):
            del container[key]
        elif kind < 0.2 and isinstance(container, dict):
            container[rng.choice(TEXTS)[:300]] = draw_value(rng)
        else:
            container[key] = draw_value(rng)
    return json.dumps(value)


def make_deep_json(rng: random.Random) -> str:
    """Returns JSON of many levels, at the top or inside of an object."""
    depth = rng.choice((500, 5_000, 40_000))
    deep = "[" * depth + "]" * depth
    return rng.choice((deep, f'{{"model": {deep}}}', '{"a":' * depth + "1" + "}" * depth))


def flip_bytes(rng: random.Random, data: bytes, count: int) -> bytes:
    """Replaces some bytes by others."""
    changed = bytearray(data)
    for _ in range(count if changed else 0):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def tear(rng: random.Random, data: bytes) -> bytes:
    """Cuts the end off, or a piece out of the middle, or doubles a piece."""
    first, second = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return rng.choice(
        (data[:first], data[:first] + data[second:], data[:second] + data[first:], b"", data[1:])
    )

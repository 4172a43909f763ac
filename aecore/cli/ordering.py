"""The options --on, --device and --minutes: where the runs of a sweep are trained."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from aecore.backends.base import Device, Order
from aecore.backends.registry import find_backend
from aecore.errors import ConfigError
from aecore.hub.client import Token


def make_order(options: argparse.Namespace) -> tuple[Order | None, Token]:
    """Returns where runs are to be sent, and the token of who pays; no order for this machine."""
    entry = find_backend(options.on)
    if not entry.is_remote:
        return None, False
    token = read_login() if entry.needs_token else False
    device = choose_device(entry.open(token).devices(), options.device)
    minutes = options.minutes if entry.is_paid else 0
    if device.price:
        print(f"At most ${device.price * minutes / 60:.2f} a run.")
    order = Order(
        backend=options.on,
        device=device.name,
        label=device.label,
        minutes=minutes,
        price=device.price,
    )
    return order, token


def read_login() -> Token:
    """Returns the token of this machine's login on the Hub; False without one."""
    from huggingface_hub import get_token

    return get_token() or False


def choose_device(devices: Sequence[Device], name: str) -> Device:
    """Returns the device of that name, or the only one that can be used where none is named."""
    usable = {device.name: device for device in devices if not device.why_not}
    if name in usable:
        return usable[name]
    if not usable:
        reasons = " ".join(device.why_not for device in devices) or "There is none."
        raise ConfigError(f"No --device can be used there. {reasons}")
    if not name and len(usable) == 1:
        return next(iter(usable.values()))
    named = f"There is no --device {name!r}. " if name else ""
    raise ConfigError(f"{named}Give --device one of what is there: {', '.join(usable)}.")

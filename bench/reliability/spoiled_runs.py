"""Ways to spoil a run folder: each changes it, and says what it did."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from aecore.files import (
    CARD_FILE,
    CONFIG_FILE,
    ESTIMATOR_FILE,
    LOCK_FILE,
    LOG_FILE,
    METRICS_FILE,
    OWNER_FILE,
    PREVIEWS_FOLDER,
    REMOTE_FILE,
    RESUME_FILE,
    STATE_FILE,
    WEIGHTS_FILE,
)
from bench.reliability.hostile import (
    NUMBERS,
    TEXTS,
    draw_value,
    flip_bytes,
    make_deep_json,
    spoil_json,
    tear,
)

FILES = (
    CONFIG_FILE,
    STATE_FILE,
    METRICS_FILE,
    WEIGHTS_FILE,
    RESUME_FILE,
    LOG_FILE,
    LOCK_FILE,
    CARD_FILE,
    OWNER_FILE,
    REMOTE_FILE,
    ESTIMATOR_FILE,
    f"{PREVIEWS_FOLDER}/00000.safetensors",
    f"{PREVIEWS_FOLDER}/00002.safetensors",
)
JSON_FILES = (CONFIG_FILE, STATE_FILE, OWNER_FILE, REMOTE_FILE, ESTIMATOR_FILE)
HUGE = 3_000_000_000  # bytes of a file with a hole in it
MANY_LINES = 50_000_000  # bytes of short lines
EPOCH_LINE = {"kind": "epoch", "epoch": 1, "loss": 1.0, "seconds": 1.0}


def pick_file(rng: random.Random, folder: Path, names: tuple[str, ...] = FILES) -> Path:
    """Returns one of the files that are there."""
    return folder / rng.choice([name for name in names if (folder / name).is_file()] or [LOG_FILE])


def change_bytes(rng: random.Random, folder: Path, outside: Path) -> str:
    path = pick_file(rng, folder)
    if not path.is_file():
        return "nothing"
    data = path.read_bytes()
    change = rng.randrange(3)
    if change == 0:
        count = rng.choice((1, 3, 30))
        path.write_bytes(flip_bytes(rng, data, count))
        return f"{count} bytes of {path.name} changed"
    if change == 1:
        path.write_bytes(tear(rng, data))
        return f"{path.name} torn"
    path.unlink()
    return f"{path.name} removed"


def grow_file(rng: random.Random, folder: Path, outside: Path) -> str:
    """Makes a file huge, with a hole that takes no room on the disk."""
    path = folder / rng.choice(FILES)
    path.parent.mkdir(exist_ok=True)
    size = rng.choice((HUGE, 200_000_000, 120_000))
    with open(path, "ab") as file:
        file.truncate(size)
        file.seek(0, os.SEEK_END)
        file.write(b"\nend\n")
    return f"{path.name} of {size:,} bytes"


def replace_by_odd_file(rng: random.Random, folder: Path, outside: Path) -> str:
    """Puts a link, a FIFO, a socket or a folder in the place of a file."""
    path = folder / rng.choice((*FILES, PREVIEWS_FOLDER, "maps"))
    if path.is_dir():
        path.rename(outside.parent / f"old-{path.name}")
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    kind = rng.choice(tuple(ODD_FILES))
    ODD_FILES[kind](path, outside)
    return f"{path.relative_to(folder)} is {kind}"


def make_socket(path: Path, outside: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


def link_to_copy(path: Path, outside: Path) -> None:
    """Links to a file outside that could stand here."""
    path.symlink_to(outside / path.name)


ODD_FILES: dict[str, Callable[[Path, Path], Any]] = {
    "a FIFO": lambda path, outside: os.mkfifo(path),
    "a socket": make_socket,
    "a folder": lambda path, outside: path.mkdir(),
    "a link to a good file outside": link_to_copy,
    "a link to a file outside": lambda path, outside: path.symlink_to(outside / "letter.txt"),
    "a link to a folder outside": lambda path, outside: path.symlink_to(outside),
    "a link to /dev/zero": lambda path, outside: path.symlink_to("/dev/zero"),
    "a link to /etc/passwd": lambda path, outside: path.symlink_to("/etc/passwd"),
    "a link to itself": lambda path, outside: path.symlink_to(path.name),
    "a link to nothing": lambda path, outside: path.symlink_to(outside / "new.txt"),
    "a link to a FIFO": lambda path, outside: path.symlink_to(outside / "fifo"),
}


# -- text


def spoil_config(rng: random.Random, folder: Path, outside: Path) -> str:
    path = folder / CONFIG_FILE
    path.write_text(spoil_json(rng, path.read_text(), rng.choice((1, 1, 1, 2, 5))))
    return "config.json with other values"


def spoil_sizes(rng: random.Random, folder: Path, outside: Path) -> str:
    """Gives the model other sizes, which its weights may have or not."""
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text())
    sides = (1, 2, 3, 7, 64, 1000, 65536, 1_000_000)
    config["model"]["input_shape"] = [rng.choice(sides) for _ in range(rng.choice((1, 3, 3)))]
    config["model"]["latent_dim"] = rng.choice((1, 2, 500, 16384))
    path.write_text(json.dumps(config))
    if rng.random() < 0.7:
        write_fitting_weights(rng, folder)
    return f"input_shape {config['model']['input_shape']}"


def write_fitting_weights(rng: random.Random, folder: Path) -> None:
    """Writes weights that the config implies, where it implies few enough."""
    from aecore.errors import AecoreError
    from aecore.model.autoencoder import Autoencoder
    from aecore.model.weights import read_config

    try:
        config = read_config(folder).model
        if config.count_weights() > 5_000_000:
            return
        model = Autoencoder(config)
    except (AecoreError, RuntimeError, ValueError):
        return
    save_file(model.state_dict(), folder / WEIGHTS_FILE)


def spoil_json_file(rng: random.Random, folder: Path, outside: Path) -> str:
    path = pick_file(rng, folder, JSON_FILES)
    if not path.is_file() or path.name == LOG_FILE:
        return "nothing"
    text = make_deep_json(rng) if rng.random() < 0.2 else spoil_json(rng, path.read_text(), 2)
    encoding = rng.choice(("utf-8", "utf-8", "utf-16", "utf-8-sig"))
    path.write_bytes(text.encode(encoding, "surrogatepass"))
    return f"{path.name} with other values, {encoding}"


def spoil_state(rng: random.Random, folder: Path, outside: Path) -> str:
    state = {
        "state": rng.choice(("queued", "running", "done", "failed", "lost", "odd")),
        "epoch": rng.choice(NUMBERS),
        "epochs": rng.choice(NUMBERS),
        "progress": rng.choice((0, 0.5, float("nan"), 2)),
        "device": rng.choice(TEXTS)[:200],
        "error": rng.choice(TEXTS)[: rng.choice((100, 2000, 100_000))],
        "since": rng.choice(NUMBERS),
    }
    (folder / STATE_FILE).write_text(json.dumps(state))
    return "state.json with other values"


def spoil_metrics(rng: random.Random, folder: Path, outside: Path) -> str:
    """Adds odd lines to the records."""
    lines: list[bytes] = []
    for _ in range(rng.choice((1, 20, 500))):
        row: dict[str, Any] = {**EPOCH_LINE, "kind": rng.choice(("epoch", "pretrain", "test", "x"))}
        for _ in range(rng.choice((1, 2, 40))):
            name = rng.choice((*EPOCH_LINE, "validation_loss", "se", "psnr", rng.choice(TEXTS)))
            row[name[:200]] = draw_value(rng)
        lines.append(json.dumps(row).encode())
    odd = [b"\xff\xfe", make_deep_json(rng).encode(), b"{}", b"[]", b"1", b"\x00" * 1000, b"\r"]
    lines += rng.sample(odd, 3)
    rng.shuffle(lines)
    with open(folder / METRICS_FILE, "ab") as file:
        file.write(rng.choice((b"\n", b"\r\n")).join(lines) + rng.choice((b"\n", b"")))
    return f"{len(lines)} odd lines in metrics.jsonl"


def lengthen_metrics(rng: random.Random, folder: Path, outside: Path) -> str:
    """Writes records without end, or a line without end."""
    kind = rng.choice(("short lines", "epochs", "test lines", "empty lines", "one line", "names"))
    line = {
        "short lines": lambda i: b'{"kind":"epoch"}\n',
        "epochs": lambda i: json.dumps({**EPOCH_LINE, "epoch": i}).encode() + b"\n",
        "test lines": lambda i: b'{"kind":"test","se":1}\n',
        "empty lines": lambda i: b"\n" * 1000,
        "one line": lambda i: b"9" * 100_000,
        "names": lambda i: (
            json.dumps({**EPOCH_LINE, **{f"n{i}-{j}": j for j in range(300)}}).encode() + b"\n"
        ),
    }[kind]
    with open(folder / METRICS_FILE, "wb") as file:
        i = 0
        while file.tell() < MANY_LINES:
            file.write(b"".join(line(i + j) for j in range(1000)))
            i += 1000
    return f"metrics.jsonl of {MANY_LINES:,} bytes of {kind}"


def spoil_log(rng: random.Random, folder: Path, outside: Path) -> str:
    piece = rng.choice((b"\xff\xfe\x00", b"\x1b[31m", b"x" * 1000, "\u202e\U0001f92f".encode()))
    (folder / LOG_FILE).write_bytes(rng.choice((b"", b"\n", b"\r")).join([piece] * 30_000))
    return "log.txt of odd bytes"


def spoil_lock(rng: random.Random, folder: Path, outside: Path) -> str:
    content = rng.choice((b"-1", b"0", b"1", b"\xff", b"9" * 5000, b"", b" 7 \n"))
    (folder / LOCK_FILE).write_bytes(content)
    return f"run.lock with {content[:20]!r}"


# -- tensors


def make_weights_wild(rng: random.Random, folder: Path, outside: Path) -> str:
    """Gives finite weights of any size to some or all tensors."""
    path = folder / WEIGHTS_FILE
    tensors = load_file(path)
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    scale = rng.choice((0.0, 1e-38, 1e3, 1e8, 1e15, 1e19, 1e30, 3e38))
    names = [name for name in tensors if tensors[name].is_floating_point()]
    for name in rng.sample(names, rng.choice((1, 2, len(names)))):
        noise = torch.randn(tensors[name].shape, generator=generator)
        tensors[name] = (noise * scale).nan_to_num().to(tensors[name].dtype)
        if rng.random() < 0.2:
            tensors[name] = torch.full_like(tensors[name], scale)
    save_file(tensors, path)
    return f"weights of about {scale:g}"


def lie_in_header(rng: random.Random, folder: Path, outside: Path) -> str:
    """Changes the header of a safetensors file, or writes one that lies."""
    names = (WEIGHTS_FILE, RESUME_FILE, *FILES[-2:])
    path = pick_file(rng, folder, names)
    if path.suffix != ".safetensors":
        return "nothing"
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    body = data[8 + length :]
    kind = rng.randrange(4)
    if kind == 0:
        header = spoil_json(rng, data[8 : 8 + length].decode(), rng.choice((1, 3))).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    elif kind == 1:
        lie = rng.choice((0, 1, 2**31, 2**63, 2**64 - 1, len(data), 90_000_000))
        path.write_bytes(struct.pack("<Q", lie) + data[8:])
    elif kind == 2:
        values = json.loads(data[8 : 8 + length])
        name = rng.choice([name for name in values if name != "__metadata__"])
        values[name]["dtype"] = rng.choice(("F64", "BF16", "F8_E4M3", "BOOL", "I8", "C64", "F4"))
        header = json.dumps(values).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    else:
        many = {
            f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(50_000)
        }
        header = json.dumps(many).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header)
    return f"the header of {path.name} lies"


def lie_in_preview(rng: random.Random, folder: Path, outside: Path) -> str:
    """Writes a preview of another shape, type or range."""
    shape = json.loads((folder / CONFIG_FILE).read_text())["model"]["input_shape"]
    rows = rng.choice((0, 1, 16, 5000, 300_000))
    inner = rng.choice((shape, shape, shape, [1, 1, 65536], [2, 8, 8], [5], []))
    dtype = rng.choice((torch.uint8, torch.float32, torch.float16, torch.float64, torch.int64))
    x = torch.zeros(rows, *inner, dtype=dtype)
    if x.numel() > 80_000_000:
        x = x[:1000]
    if dtype.is_floating_point and x.numel():
        x[..., 0] = rng.choice((float("nan"), 1e38, 1.0, float("inf")))
    z = rng.choice((torch.zeros(3, 4), torch.zeros(0, 4), torch.full((4, 4), float("nan"))))
    name = rng.choice(("00002", "99999", "999999999", "1" * 30, "\u0663", "00002"))
    path = folder / PREVIEWS_FOLDER / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file({"x": x, "reconstruction": x.clone(), "z": z.half()}, path)
    return f"a preview {name} of {rows} x {inner}, {dtype}"


def add_many_files(rng: random.Random, folder: Path, outside: Path) -> str:
    """Adds previews, maps or strangers' files by the thousand, or folders in folders."""
    kind = rng.choice((PREVIEWS_FOLDER, "maps", "", "deep"))
    if kind == "deep":
        path = folder
        for _ in range(200):
            path = path / "d"
            path.mkdir()
        return "200 folders in each other"
    (folder / kind).mkdir(exist_ok=True)
    for i in range(5000):
        (folder / kind / f"{i:06d}.safetensors").write_bytes(b"\x00" * 9)
    return f"5,000 files in {kind or 'the run'}"


SPOILERS: tuple[Callable[[random.Random, Path, Path], str], ...] = (
    change_bytes,
    change_bytes,
    grow_file,
    replace_by_odd_file,
    replace_by_odd_file,
    replace_by_odd_file,
    spoil_config,
    spoil_config,
    spoil_sizes,
    spoil_json_file,
    spoil_state,
    spoil_metrics,
    lengthen_metrics,
    spoil_log,
    spoil_lock,
    make_weights_wild,
    make_weights_wild,
    lie_in_header,
    lie_in_preview,
    add_many_files,
)
NAMES: tuple[bytes, ...] = (
    b"run",
    b"x" * 250,
    "läufer-\U0001f92f".encode(),
    b"a\nb",
    b"<img src=x>",
    b"[x](http://x)",
    b"-rf",
    b"\xff\xfe",
    b"a b",
    b"..x",
    "\u202egnp".encode(),
)


def draw_name(rng: random.Random) -> Path:
    """Returns the name of a run's folder, mostly a plain one."""
    return Path(os.fsdecode(rng.choice(NAMES) if rng.random() < 0.1 else NAMES[0]))

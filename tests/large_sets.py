"""Write data sets larger than the small budget of memory that tests allow."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image


def save_numbered(folder, count=2000, name="large.npy"):
    """Save an array whose row i begins with the number i, as bytes: (count, 1, 8, 8)."""
    x = np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), np.uint8)
    x[:, 0, 0, :4] = np.arange(count, dtype=np.uint32).view(np.uint8).reshape(count, 4)
    np.save(folder / name, x)
    return folder / name


def read_numbers(x):
    """Return the rows of the file that these examples came from."""
    return np.ascontiguousarray(x.numpy()[:, 0, 0, :4]).view(np.uint32).ravel()


def take_all(dataset):
    """Return all examples of a large set, the test set's last."""
    return torch.cat([dataset.stored.take(torch.arange(len(dataset.stored))), dataset.test.x])


def sort_rows(x):
    """Return the examples as flat rows in a fixed order, to compare sets of them."""
    rows = x.flatten(1).numpy()
    return rows[np.lexsort(rows.T)]


def write_pictures(root, count=60, colour=False):
    """Write pictures of 40 x 40 pixels into folders `a` and `b` of `root`; return `root`."""
    rng = np.random.default_rng(0)
    for i in range(count):
        folder = root / ("ab"[i % 2])
        folder.mkdir(parents=True, exist_ok=True)
        shape = (40, 40, 3) if colour and i > 30 else (40, 40)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{i:03}.png")
    return root

"""Write the packs of Home's explorer: `python -m bench.packs` writes ui/kit/packs.

They are made of a shipped checkpoint and of the sample inputs that come with the package.
"""

from __future__ import annotations

import gzip
import hashlib

from aecore.analysis.latent import make_unit_plane
from aecore.data.stand_in import make_stand_in
from aecore.explorer.packs import encode_map_pack, encode_model_pack
from aecore.explorer.static_page import encode_map_inputs
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig
from aecore.runs.listing import find_run
from ui.kit.shipped_explorer import PACKS_FOLDER, make_shipped_token

PACKED_RUN = "mnist-vae-2d"
MARKED_INPUT = 3  # whose code is decoded before the pointer comes


def build_shipped_packs(name: str) -> dict[str, bytes]:
    """Return the packs of a run whose code has two units, by the ends of their files' names."""
    run = find_run(name)
    model = Autoencoder.load(run.path)
    data = run.config().data or DataConfig()
    dataset = make_stand_in(data, run.config().model.input_shape)
    inputs = encode_map_inputs(run, model, dataset, len(dataset.test.x))
    model_pack = encode_model_pack(model, inputs, compact=True)
    plane = make_unit_plane(inputs.z, [0, 1])
    map_pack = encode_map_pack(
        run,
        inputs,
        plane.positions(inputs.z),
        name="code",
        axes=["first number", "second number"],
        plane=plane,
        colour="class",
        total=len(inputs.z),
        token=make_shipped_token(name, hashlib.blake2b(model_pack, digest_size=8).hexdigest()),
        compact=True,
    )
    return {"map": map_pack, "model": model_pack}


def main() -> None:
    """Write the packs, and print their sizes."""
    for part, pack in build_shipped_packs(PACKED_RUN).items():
        path = PACKS_FOLDER / f"{PACKED_RUN}.{part}.gz"
        path.write_bytes(gzip.compress(pack, 9, mtime=0))
        print(f"{path.stat().st_size / 1000:.0f} kB in {path.name}")


if __name__ == "__main__":
    main()

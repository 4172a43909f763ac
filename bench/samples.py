"""Write the sample inputs that come with the package: `python -m bench.samples`.

Needs MNIST ($AECORE_DATA or a download).
"""

from __future__ import annotations

from aecore.data.datasets import read_dataset
from aecore.data.sample_inputs import SAMPLES_FOLDER, write_sample
from aecore.model.config import DataConfig

SAMPLED_SETS = ("mnist",)


def main() -> None:
    """Write a file for each set, and print its size."""
    for name in SAMPLED_SETS:
        path = SAMPLES_FOLDER / f"{name}.npz"
        write_sample(read_dataset(DataConfig(name=name)), path)
        print(f"{path.stat().st_size / 1000:.0f} kB in {path.name}")


if __name__ == "__main__":
    main()

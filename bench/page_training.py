"""Training in a page against PyTorch: `python -m bench.page_training`.

Writes a row for each case to docs/results/page_training.md: seconds of all epochs in a worker of
Chromium and in Python, one thread each, and the test losses of both. Needs Chromium and Playwright;
MNIST is downloaded.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from playwright.sync_api import Page, sync_playwright
from torch import Tensor

from aecore.data.datasets import load_dataset
from aecore.data.splits import as_float
from aecore.explorer.bundle import WEB_FOLDER, bundle_modules, order_modules, wrap_module
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from aecore.runs.run import Run
from aecore.training.trainer import fit
from bench.browser import launch_chromium
from bench.results import describe_commit, describe_processor, write_result

TRAIN = """async ([script, config, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const examples = new Float32Array(bytes.buffer);
  let session;
  const done = new Promise((resolve, reject) => {
    session = new TrainingSession(script, ({ type, reason }) => {
      if (type === "done") resolve();
      if (type === "refused" || type === "failed") reject(new Error(reason));
    });
  });
  session.start({ config, examples });
  session.run();
  await done;
  const files = Object.entries(await session.save());
  session.close();
  const write = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return files.map(([name, bytes]) => [name, write(bytes)]);
}"""


class Case(NamedTuple):
    """A model, its data and how long it trains."""

    name: str
    data: DataConfig
    model: ModelConfig
    epochs: int


def list_cases(epochs: int | None) -> Iterator[Case]:
    """Yields the cases, with so many epochs where that is given."""
    vae: dict[str, Any] = {"bottleneck": {"kind": "gaussian"}, "likelihood": {"kind": "bernoulli"}}
    digits = {"input_shape": (1, 8, 8), "network": {"kind": "mlp", "hidden": (32,)}}
    mnist = {"input_shape": (1, 28, 28), "network": {"kind": "mlp", "hidden": (128,)}}
    conv = {"input_shape": (1, 28, 28), "network": {"kind": "conv", "channels": (8, 16)}}
    some = DataConfig(name="mnist", limit=5000)
    for name, data, parts, usual in (
        ("digits, 64-32-2", DataConfig(name="digits"), digits, 30),
        ("5,000 of MNIST, 784-128-2", some, mnist, 10),
        ("5,000 of MNIST, convolutions of 8 and 16", some, conv, 10),
    ):
        model = ModelConfig.model_validate({**vae, **parts, "latent_dim": 2})
        yield Case(name, data, model, epochs or usual)


def main() -> None:
    """Train all cases, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, help="of every case, in place of its own")
    epochs = parser.parse_args().epochs
    torch.set_num_threads(1)
    rows = []
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        for case in list_cases(epochs):
            page = browser.new_page()
            rows.append(compare_case(page, case))
            page.close()
    write_result(
        "page_training.md",
        [
            "# Training in a page",
            "",
            "A VAE of each kind in a worker of Chromium, without WebGPU, and by the Python package "
            "with one thread: seconds of all epochs, and test losses of the best weights. "
            f"{describe_processor()}, commit {describe_commit()}, `python -m bench.page_training`.",
            "",
            "| model | epochs | page, s | Python, s | ratio | test loss: page | Python |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ],
    )


def compare_case(page: Page, case: Case) -> str:
    """Trains a case in the page and in Python; returns its row of the table."""
    training = TrainConfig(epochs=case.epochs, previews=0, device="cpu")
    config = RunConfig(model=case.model, data=case.data, training=training)
    dataset = load_dataset(case.data)
    test = as_float(dataset.test.x)
    with tempfile.TemporaryDirectory() as folder:
        theirs = Run(Path(folder) / "python")
        Autoencoder(case.model).save(theirs.path, config)
        list(fit(theirs))
        ours = train_in_page(page, config, as_float(dataset.train.x), Path(folder) / "page")
        times = [sum(epoch.seconds or 0.0 for epoch in run.epochs()) for run in (ours, theirs)]
        losses = [measure_test_loss(run, test) for run in (ours, theirs)]
    ratio = times[0] / times[1]
    cells = [
        str(case.epochs),
        f"{times[0]:.2f}",
        f"{times[1]:.2f}",
        f"{ratio:.1f}",
        *(f"{x:.2f}" for x in losses),
    ]
    return f"| {case.name} | {' | '.join(cells)} |"


def train_in_page(page: Page, config: RunConfig, examples: Tensor, folder: Path) -> Run:
    """Trains in a worker of the page; returns the run folder that it gives."""
    order: list[str] = []
    order_modules("session", order)
    modules = "\n".join(map(wrap_module, order))
    page.add_script_tag(content=f"{modules}Object.assign(globalThis, module_session);")
    worker = bundle_modules(WEB_FOLDER / "train" / "worker.js")
    text = base64.b64encode(examples.numpy().tobytes()).decode()
    files = page.evaluate(TRAIN, [worker, config.model_dump(mode="json"), text])
    folder.mkdir()
    for name, content in files:
        (folder / name).write_bytes(base64.b64decode(content))
    return Run(folder)


def measure_test_loss(run: Run, x: Tensor) -> float:
    """Returns the loss of the best weights on x (N, *input_shape), with the noise of one seed."""
    torch.manual_seed(0)
    with torch.no_grad():
        return float(Autoencoder.load(run.path).loss(x).total)


if __name__ == "__main__":
    main()

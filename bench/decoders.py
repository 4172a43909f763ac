"""Our decoder against ONNX Runtime Web: `python -m bench.decoders FOLDER` prints size, start and time a decode.

FOLDER is the `dist` of the npm package onnxruntime-web (`npm pack onnxruntime-web`). Both run in the same Chromium
page, in turns, on the same codes. Needs onnx and onnxscript.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from aecore.explorer.bundle import wrap_module
from aecore.explorer.packs import encode_pack
from aecore.explorer.portable import export_steps
from aecore.model.autoencoder import Autoencoder
from aecore.model.export import export_model
from aecore.runs.listing import find_run
from bench.screenshots import CHROMIUM_ARGUMENTS

RUNS = ("mnist-vae", "mnist-conv", "mnist-conv-vae", "mnist-k-sparse")
TIMES = 200
MEASURE = """async ([pack, onnx, dim, times]) => {
  const started = performance.now();
  const { meta, tensors } = readTensors(bytes(pack)), net = new Network(meta.network, tensors);
  net.decode(new Float32Array(dim));
  const ours = { start: performance.now() - started, decode: [] };
  const began = performance.now();
  const session = await ort.InferenceSession.create(bytes(onnx), { executionProviders: ["wasm"] });
  const run = (z) => session.run({ z: new ort.Tensor("float32", z, [1, dim]) });
  await run(new Float32Array(dim));
  const theirs = { start: performance.now() - began, decode: [] };
  for (let i = 0; i < times; i++) {
    const z = Float32Array.from({ length: dim }, () => Math.random() - 0.5);
    let from = performance.now();
    const mine = net.decode(net.snap(z));
    ours.decode.push(performance.now() - from);
    from = performance.now();
    const other = (await run(net.snap(z))).reconstruction.data;
    theirs.decode.push(performance.now() - from);
    if (mine.some((value, j) => Math.abs(value - other[j]) > 1e-3)) throw new Error("they differ");
  }
  return [ours, theirs];
}"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path, help="dist of onnxruntime-web")
    folder = options.parse_args().folder
    wasm = "ort-wasm-simd-threaded.wasm"
    size = sum((folder / name).stat().st_size for name in ("ort.wasm.min.js", wasm))
    ours = sum(len(wrap_module(name)) for name in ("tensors", "network"))
    print(f"code: ours {ours / 1e3:.1f} kB, ONNX Runtime Web {size / 1e6:.1f} MB\n")
    print(
        "| decoder | ours: start, ms | decode p50, p95, ms | ONNX Runtime Web: start, ms | decode p50, p95, ms |"
    )
    print("|---|---|---|---|---|")
    with sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS
        )
        for name in RUNS:
            page = browser.new_page()
            prepare(page, folder)
            mine, theirs = page.evaluate(MEASURE, given(name))
            print(f"| {name} | {shown(mine)} | {shown(theirs)} |", flush=True)
            page.close()


def prepare(page: Page, folder: Path) -> None:
    """A page with both runtimes; files of the package are answered from its folder."""

    def answer(route: object) -> None:
        path = folder / str(route.request.url).rsplit("/", 1)[-1]  # type: ignore[attr-defined]
        kinds = {".wasm": "application/wasm", ".mjs": "text/javascript", ".js": "text/javascript"}
        if path.suffix in kinds and path.is_file():
            route.fulfill(body=path.read_bytes(), content_type=kinds[path.suffix])  # type: ignore[attr-defined]
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")  # type: ignore[attr-defined]

    page.route("**/*", answer)
    page.goto("http://127.0.0.1:9/")
    page.add_script_tag(url="/ort.wasm.min.js")
    parts = "\n".join(wrap_module(name) for name in ("tensors", "network"))
    page.add_script_tag(
        content=f"{parts}Object.assign(globalThis, module_tensors, module_network);"
    )
    page.evaluate("""() => {
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmPaths = "/";
      globalThis.bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    }""")


def given(name: str) -> list[object]:
    """A run's decoder for both, as Base64; its number of units; how often to decode."""
    run = find_run(name)
    model = Autoencoder.load(run.path)
    about, tensors = export_steps(model)
    data = encode_pack(
        {f"model.{key}": t.numpy() for key, t in tensors.items()}, {"network": about}
    )
    with tempfile.TemporaryDirectory() as folder:
        export_model(model, "onnx", Path(folder))
        onnx = (Path(folder) / "decoder.onnx").read_bytes()
    return [
        base64.b64encode(data).decode(),
        base64.b64encode(onnx).decode(),
        about["latent_dim"],
        TIMES,
    ]


def shown(measured: dict) -> str:
    cuts = statistics.quantiles(measured["decode"], n=20)
    return f"{measured['start']:.1f} | {cuts[9]:.2f}, {cuts[18]:.2f}"


if __name__ == "__main__":
    main()

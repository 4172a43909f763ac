"""Our decoder against ONNX Runtime Web: `python -m bench.decoders FOLDER`.

Prints size, start and time a decode. FOLDER is the `dist` of the npm package onnxruntime-web
(`npm pack onnxruntime-web`). Both run in the same Chromium page, in turns, on the same codes.
Needs onnx, onnxscript, Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
from pathlib import Path

from playwright.sync_api import Page, Route, sync_playwright

from aecore.explorer.bundle import order_modules, wrap_module
from aecore.explorer.packs import encode_pack
from aecore.explorer.portable import export_steps
from aecore.model.autoencoder import Autoencoder
from aecore.model.export import export_model
from aecore.runs.listing import find_run
from bench.browser import launch_chromium
from bench.results import compute_percentiles

DECODER_RUNS = ("mnist-vae", "mnist-conv", "mnist-conv-vae", "mnist-k-sparse")
DECODES = 200
MEASURE = """async ([pack, onnx, dim, decodes]) => {
  const started = performance.now();
  const { meta, tensors } = readTensors(bytes(pack)), net = new Network(meta.network, tensors);
  net.decode(new Float32Array(dim));
  const ours = { start: performance.now() - started, decode: [] };
  const began = performance.now();
  const session = await ort.InferenceSession.create(bytes(onnx), { executionProviders: ["wasm"] });
  const run = (z) => session.run({ z: new ort.Tensor("float32", z, [1, dim]) });
  await run(new Float32Array(dim));
  const theirs = { start: performance.now() - began, decode: [] };
  for (let i = 0; i < decodes; i++) {
    const z = Float32Array.from({ length: dim }, () => Math.random() - 0.5);
    let from = performance.now();
    const ourImage = net.decode(net.snap(z));
    ours.decode.push(performance.now() - from);
    from = performance.now();
    const theirImage = (await run(net.snap(z))).reconstruction.data;
    theirs.decode.push(performance.now() - from);
    const differ = ourImage.some((value, j) => Math.abs(value - theirImage[j]) > 1e-3);
    if (differ) throw new Error("they differ");
  }
  return [ours, theirs];
}"""


WASM_FILE = "ort-wasm-simd-threaded.wasm"
CONTENT_TYPES = {
    ".wasm": "application/wasm",
    ".mjs": "text/javascript",
    ".js": "text/javascript",
}


def main() -> None:
    """Print the sizes of both runtimes, and a table with a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="dist of onnxruntime-web")
    folder = parser.parse_args().folder
    size = sum((folder / name).stat().st_size for name in ("ort.wasm.min.js", WASM_FILE))
    our_size = sum(len(module) for module in list_decoder_modules())
    print(f"code: ours {our_size / 1e3:.1f} kB, ONNX Runtime Web {size / 1e6:.1f} MB\n")
    print(
        "| decoder | ours: start, ms | decode p50, p95, ms "
        "| ONNX Runtime Web: start, ms | decode p50, p95, ms |"
    )
    print("|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        for name in DECODER_RUNS:
            page = browser.new_page()
            load_runtimes(page, folder)
            ours, theirs = page.evaluate(MEASURE, export_decoder(name))
            print(f"| {name} | {format_times(ours)} | {format_times(theirs)} |", flush=True)
            page.close()


def load_runtimes(page: Page, folder: Path) -> None:
    """Load both runtimes into a page; requests for files of the package get them from `folder`."""

    def answer(route: Route) -> None:
        path = folder / route.request.url.rsplit("/", 1)[-1]
        if path.suffix in CONTENT_TYPES and path.is_file():
            route.fulfill(body=path.read_bytes(), content_type=CONTENT_TYPES[path.suffix])
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page.route("**/*", answer)
    page.goto("http://127.0.0.1:9/")
    page.add_script_tag(url="/ort.wasm.min.js")
    modules = "\n".join(list_decoder_modules())
    page.add_script_tag(
        content=f"{modules}Object.assign(globalThis, module_tensors, module_network);"
    )
    page.evaluate("""() => {
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmPaths = "/";
      globalThis.bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    }""")


def list_decoder_modules() -> list[str]:
    """Returns the JavaScript of our decoder, in order."""
    order: list[str] = []
    for name in ("tensors", "network"):
        order_modules(name, order)
    return [wrap_module(name) for name in order]


def export_decoder(name: str) -> list[object]:
    """Returns the arguments of MEASURE for a run.

    These are its decoder as our pack and as ONNX, both in Base64, the latent dimension, and how
    often to decode.
    """
    model = Autoencoder.load(find_run(name).path)
    network, tensors = export_steps(model)
    arrays = {f"model.{key}": tensor.numpy() for key, tensor in tensors.items()}
    pack = encode_pack(arrays, {"network": network})
    with tempfile.TemporaryDirectory() as folder:
        export_model(model, "onnx", Path(folder))
        onnx = (Path(folder) / "decoder.onnx").read_bytes()
    return [
        base64.b64encode(pack).decode(),
        base64.b64encode(onnx).decode(),
        network["latent_dim"],
        DECODES,
    ]


def format_times(measured: dict) -> str:
    """Returns two cells: start, and median and 95th percentile of a decode, in milliseconds."""
    median, p95 = compute_percentiles(measured["decode"])
    return f"{measured['start']:.1f} | {median:.2f}, {p95:.2f}"


if __name__ == "__main__":
    main()

"""Training in a worker of a real browser: what a page hears, moves and takes away."""

from __future__ import annotations

import numpy as np
import pytest

from aecore.explorer.bundle import WEB_FOLDER, bundle_modules, order_modules, wrap_module
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from tests.helpers import digits, tiny

pytestmark = pytest.mark.browser

NAMES = ["session", "network"]
VAE = {"bottleneck": {"kind": "gaussian"}, "likelihood": {"kind": "bernoulli"}}

# hear(type) is a promise of the next message of a type
HELPERS = """
globalThis.heard = [];
globalThis.waiting = [];
globalThis.listen = (message) => {
  heard.push(message.type);
  waiting = waiting.filter(({ type, resolve }) => type !== message.type || resolve(message));
};
globalThis.hear = (type) => new Promise((resolve) => waiting.push({ type, resolve }));
"""


@pytest.fixture
def page(browser):
    """A page with a session that has not begun."""
    page = browser.new_page()
    order: list[str] = []
    for name in NAMES:
        order_modules(name, order)
    exposed = "\n".join(f"Object.assign(globalThis, module_{name});" for name in NAMES)
    page.add_script_tag(content="\n".join(wrap_module(name) for name in order) + exposed + HELPERS)
    worker = bundle_modules(WEB_FOLDER / "train" / "worker.js")
    page.evaluate(
        "(script) => { globalThis.session = new TrainingSession(script, listen); }", worker
    )
    yield page
    page.close()


START = """async ([config, rows]) => {
  globalThis.inputs = Float32Array.from(rows.flat());
  const first = Promise.race([hear("ready"), hear("refused")]);
  const shown = inputs.subarray(0, 128);
  session.start({ config, examples: inputs, tracked: inputs, shown, snapshots: 0 });
  const answer = await first;
  if (answer.type === "ready") await hear("snapshot");
  return answer;
}"""


def start(page, config):
    """Begin a training on digits; return the answer."""
    rows = digits(200).flatten(1).tolist()
    return page.evaluate(START, [config.model_dump(mode="json"), rows])


def test_a_page_trains_steps_moves_knobs_and_takes_the_run_away(page, tmp_path):
    ready = start(page, tiny(**VAE))
    assert ready["compiled"] and ready["training"] + ready["validation"] == 200
    assert [knob["path"] for knob in ready["knobs"]] == ["bottleneck.beta", "training.lr"]
    step, moved, refused, done = page.evaluate("""async () => {
      const state = ({ epoch, step, state, losses }) => ({ epoch, step, state, losses });
      const ask = (type, act) => { const answer = hear(type); act(); return answer; };
      const step = state(await ask("snapshot", () => session.step()));
      const moved = await ask("knob", () => session.turn({ "bottleneck.beta": 2 }));
      const refused = await ask("refused_knob", () => session.turn({ "bottleneck.beta": -2 }));
      await ask("done", () => session.run());
      return [step, moved.record, refused.reason, state(await hear("snapshot"))];
    }""")
    assert step["step"] == 1 and step["state"] == "paused" and step["losses"]["loss"] > 0
    assert moved == {"kind": "knob", "epoch": 1, "step": 1, "bottleneck.beta": 2}
    assert "from 0 to 1000, got -2" in refused
    assert done["epoch"] == 3 and done["state"] == "done"
    losses, files = page.evaluate("""async () => {
      const files = await session.save({ title: "Digits" });
      return [await session.measure(inputs), Object.fromEntries(
        Object.entries(files).map(([name, bytes]) => [name, Array.from(bytes)]))];
    }""")
    assert losses["loss"] > losses["rate"] > 0
    for name, content in files.items():
        (tmp_path / name).write_bytes(bytes(content))
    assert Autoencoder.load(tmp_path).config.bottleneck.beta == 2
    assert [record.epoch for record in Run(tmp_path).epochs()] == [1, 2, 3]
    assert "# Digits" in (tmp_path / "README.md").read_text()


def test_the_weights_of_the_moment_decode_on_the_page(page):
    start(page, tiny(**VAE))
    codes, rebuilt, drawn = page.evaluate("""async () => {
      const snapshot = hear("snapshot");
      session.finishEpoch();
      const { network, codes, rebuilt, epoch } = await snapshot;
      const { meta, tensors } = network, map = new Network(meta, tensors);
      const rows = (values, width) => Array.from({ length: 2 }, (_, i) =>
        Array.from(values.subarray(i * width, (i + 1) * width)));
      const drawn = rows(codes, 4).map((z) => Array.from(map.decode(z)));
      return [rows(codes, 4), rows(rebuilt, 64), drawn];
    }""")
    assert np.abs(np.array(codes)).max() > 0
    assert np.abs(np.array(rebuilt) - np.array(drawn)).max() < 1e-5


def test_what_is_not_trained_in_a_page_is_refused_with_a_reason(page):
    refused = start(page, tiny(bottleneck={"kind": "rate"}))
    assert refused["type"] == "refused" and "kind rate" in refused["reason"]
    assert start(page, tiny())["type"] == "ready"  # and the session goes on with another run

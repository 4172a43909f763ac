"""The modules of the panel that trains in a page, and what Python tells it of the variants."""

from __future__ import annotations

import io

import numpy as np
import pytest

from aecore.explorer.trainable import describe_training
from tests.javascript import run_modules

MODULES = ["csv", "augment", "principal", "zip", "example_set", "trainer", "options", "random"]
TRAIN_ALL = """(entries) => Object.fromEntries(Object.entries(entries).map(([name, { config }]) => {
  const reason = explainUntrainable(config);
  if (reason) return [name, reason];
  const width = config.model.input_shape.reduce((a, b) => a * b),
    trainer = new Trainer(config, new Random(0).fillUniform(new Float32Array(80 * width)));
  while (!trainer.records.length) trainer.makeStep();
  return [name, trainer.records[0].loss];
}))"""


@pytest.fixture(scope="module")
def javascript():
    with run_modules(MODULES) as evaluate:
        yield lambda text, argument=None: evaluate(text, argument)


@pytest.mark.parametrize("kind", ["image", "table"])
def test_every_variant_of_the_menu_trains_or_says_why_not(javascript, kind):
    answers = javascript(TRAIN_ALL, describe_training((1, 8, 8))[kind])
    refused = {name for name, answer in answers.items() if isinstance(answer, str)}
    assert refused <= {"batch-top-k", "codec"}
    assert all(np.isfinite(answers[name]) for name in answers.keys() - refused)


REFUSED = [
    ({"bottleneck": {"kind": "batch_top_k"}}, "never on learn by an auxiliary loss"),
    ({"bottleneck": {"kind": "top_k", "auxiliary": 0.03}}, "bottleneck.auxiliary to 0"),
    ({"bottleneck": {"kind": "rate"}}, "a density that is learned"),
    ({"likelihood": {"kind": "student_t"}}, "kind student_t: its gradients are in the Python"),
    (
        {"bottleneck": {"kind": "gaussian", "samples": 5}, "network": {"kind": "conv"}},
        "one code for each picture",
    ),
    ({"network": {"kind": "residual", "attention": True}}, "network.attention to false"),
    ({"network": {"kind": "residual", "channels": [4]}}, "the 16 places of a spatial code"),
    ({"network": {"kind": "ensemble"}}, "network of kind ensemble"),
    ({"penalties": [{"kind": "contractive"}]}, "contractive penalty in closed form only"),
    ({"missing": True}, "whole examples"),
    ({"input_shape": [8], "network": {"kind": "conv"}}, "network.kind to mlp"),
    ({"bottleneck": {"kind": "vector_quantized", "dim": 3}}, "a multiple of bottleneck.dim 3"),
    ({"network": {"kind": "mlp", "linear_path": True, "tied": True}}, "linear_path to false"),
    ({"penalties": [{"kind": "kl_sparsity"}]}, "got linear ones"),
    ({"penalties": [{"kind": "l1", "layers": [2]}]}, "has 2 layers, got layer 2"),
    ({"bottleneck": {"kind": "vector_quantized", "cosine": True}}, "bottleneck.cosine to false"),
]


@pytest.mark.parametrize(("parts", "reason"), REFUSED, ids=str)
def test_what_is_not_trained_in_a_page_says_so(javascript, parts, reason):
    model = {"input_shape": [1, 8, 8], "latent_dim": 4, **parts}
    assert reason in javascript("(config) => explainUntrainable(config)", {"model": model})


@pytest.mark.parametrize(
    ("text", "columns", "rows", "classes"),
    [
        ("a,b\n1,2\n3,4\n", ["a", "b"], [[1, 2], [3, 4]], []),
        ("1;2\n3;4\n", ["x0", "x1"], [[1, 2], [3, 4]], []),
        ('"a ""x"", y",class\r\n1.5,u\r\n-2e1,v\r\n', ['a "x", y'], [[1.5], [-20]], ["u", "v"]),
        ("a\tb\n1\t\n2\t3\n4\t5\n", ["a", "b"], [[2, 3], [4, 5]], []),
    ],
)
def test_tables_are_read_as_they_are_written(javascript, text, columns, rows, classes):
    read = (
        "(text) => { const t = readTable(text); return { ...t, rows: t.rows.map((r) => [...r]) }; }"
    )
    table = javascript(read, text)
    assert (table["columns"], table["rows"], table["classes"]) == (columns, rows, classes)


def test_the_plane_of_a_map_is_that_of_the_principal_components(javascript):
    codes = np.random.default_rng(0).normal(size=(300, 6)) * [1, 5, 0.5, 3, 1, 1]
    axes = javascript(
        """(rows) => {
          const codes = Float32Array.from(rows.flat());
          let plane = null;
          for (let i = 0; i < 10; i++) plane = followPrincipalPlane(codes, 6, plane);
          return plane.axes.map((axis) => [...axis]);
        }""",
        codes.tolist(),
    )
    principal = np.linalg.svd(codes - codes.mean(0), full_matrices=False)[2][:2]
    assert np.abs(np.array(axes) @ principal.T) == pytest.approx(np.eye(2), abs=1e-3)


def test_a_picture_is_varied_a_little_and_not_at_all_by_no_chance(javascript):
    x = np.random.default_rng(0).random(2 * 5 * 6).round(3).tolist()
    vary = """([x, draws]) => [...varyPicture(Float32Array.from(x), [2, 5, 6], {
      fillUniform: (out) => { out.set(draws); return out; } })]"""
    assert javascript(vary, [x, [0.5] * 4]) == pytest.approx(x, abs=1e-6)
    # a whole pixel to the right
    moved = javascript(vary, [x, [0.5, 0.5, 0.5 + 1 / (2 * 0.07 * 6), 0.5]])
    shifted = np.roll(np.reshape(x, (2, 5, 6)), 1, axis=2)[:, :, 1:]
    assert np.reshape(moved, (2, 5, 6))[:, :, 1:] == pytest.approx(shifted, abs=1e-5)


def test_arrays_are_packed_as_numpy_reads_them(javascript):
    packed = javascript(
        """() => [...packArrays({ x: { data: Float32Array.of(1, 2.5, 3, 4, 5, 6), shape: [2, 3] },
             y: { data: Uint8Array.of(7, 8), shape: [2] } })]"""
    )
    with np.load(io.BytesIO(bytes(packed))) as arrays:
        assert arrays["x"].tolist() == [[1, 2.5, 3], [4, 5, 6]] and arrays["y"].tolist() == [7, 8]


def test_every_sixth_example_is_held_out(javascript):
    divided = javascript(
        """() => {
          const rows = Array.from({ length: 13 }, (_, i) => Float32Array.of(i));
          const labels = rows.map(([value]) => value);
          const set = new ExampleSet({ name: "n", kind: "table", shape: [1], rows, labels });
          const { test, train } = set;
          return [test.x, test.labels, train.x, set.pickTracked(7).x].map((values) => [...values]);
        }"""
    )
    train = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12]
    assert divided == [[5, 11], [5, 11], train, [5, 11, *train[:5]]]

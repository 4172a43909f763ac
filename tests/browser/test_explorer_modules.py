"""The explorer's modules in a real browser, against PyTorch and plain NumPy."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.analysis.latent import fit_principal_plane
from aecore.data.tables.cells import describe_cells, list_drawn_cells
from aecore.explorer.bundle import WEB_FOLDER, order_modules, read_module, wrap_module
from aecore.explorer.packs import encode_pack
from aecore.explorer.portable import export_steps
from aecore.explorer.quantise import quantise_to_bytes
from aecore.model.autoencoder import Autoencoder
from aecore.model.columns import ColumnOptions
from aecore.runs.listing import SHIPPED_FOLDER, is_shipped_run, list_runs
from tests.browser.explorer_models import SHARED, build_model, encode_text

pytestmark = pytest.mark.browser

SHIPPED = [run.id for run in list_runs() if is_shipped_run(run.path)]


NETWORKS = [
    *(
        {"kind": "mlp", "hidden": [12, 7], "activation": f}
        for f in ("relu", "sigmoid", "tanh", "gelu", "linear")
    ),
    *({"kind": "mlp", "hidden": [12, 7], "norm": norm} for norm in ("batch", "layer")),
    *(
        {"kind": "mlp", "hidden": [12, 7], "norm": norm, "tied": True}
        for norm in ("none", "batch", "layer")
    ),
    {"kind": "mlp", "hidden": [12, 7], "norm": "batch", "linear_path": True},
    {"kind": "mlp", "hidden": [], "code_activation": "sigmoid", "tied": True},
    {"kind": "conv", "channels": [3], "activation": "gelu"},
    {"kind": "conv", "channels": [3, 4, 6], "activation": "tanh", "code_activation": "tanh"},
]


HEADS = [
    {"kind": "category", "features": 3},
    {"kind": "number"},
    {"kind": "boolean"},
    {"kind": "ordered", "ranks": 4},
    {"kind": "count"},
    {"kind": "category", "features": 2},
]


PARTS = [
    {"bottleneck": {"kind": "gaussian"}, "likelihood": {"kind": "bernoulli"}},
    {"bottleneck": {"kind": "gaussian"}, "network": {"kind": "mlp", "tied": True}},
    {"bottleneck": {"kind": "gaussian"}, "network": {"kind": "mlp", "linear_path": True}},
    {"bottleneck": {"kind": "top_k", "k": 2}},
    {"bottleneck": {"kind": "top_k", "k": 2, "by": "value"}},
    {"bottleneck": {"kind": "batch_top_k", "k": 2}},
    {"bottleneck": {"kind": "jump_relu", "target": 2}},
    {"bottleneck": {"kind": "vector_quantized", "codes": 9, "dim": 5}},
    {"bottleneck": {"kind": "vector_quantized", "codes": 9, "dim": 5, "stages": 3}},
    {"bottleneck": {"kind": "vector_quantized", "codes": 9, "dim": 5, "cosine": True}},
    {
        "bottleneck": {"kind": "finite_scalar", "levels": 4},
        "network": {"kind": "mlp", "code_activation": "tanh"},
    },
    {"likelihood": {"kind": "gaussian", "output": "sigmoid"}},
    {"likelihood": {"kind": "gaussian", "learned": True}},
    {"likelihood": {"kind": "calibrated", "output": "sigmoid"}},
    {"likelihood": {"kind": "logistic_mixture", "components": 3}},
    {
        "input_shape": [3, 8, 8],
        "network": {"kind": "conv", "channels": [4, 2]},
        "likelihood": {"kind": "logistic_mixture"},
    },
    {"input_shape": [6], "scaling": "standard", "missing": True},
    {"input_shape": [6], "scaling": "standard", "clip": 0.5},
    {"input_shape": [6], "scaling": "minmax", "likelihood": {"kind": "bernoulli"}},
    {"input_shape": [6], "scaling": "standard", "likelihood": {"kind": "student_t"}},
    {"input_shape": [9], "scaling": "standard", "likelihood": {"kind": "mixed", "heads": HEADS}},
    {"input_shape": [3, 8, 8], "network": {"kind": "conv", "channels": [4, 2]}},
]


RESIDUAL = [
    {"linear_path": False},
    {"attention": True, "upsampling": "nearest", "downsampling": "strided"},
    {"activation": "gelu", "blocks": [2]},
]


VARIATIONAL = {"bottleneck": {"kind": "gaussian"}}


DENSE = {"code": "dense", "activation": "relu"}


PICTURE_PARTS = [
    *({"latent_dim": 24, "network": options} for options in RESIDUAL),
    {"latent_dim": 24, **VARIATIONAL},
    {"latent_dim": 5, "network": DENSE, **VARIATIONAL},
    {"latent_dim": 5, "network": DENSE | {"linear_path": False, "upsampling": "nearest"}},
    {
        "latent_dim": 24,
        "network": {"linear_path": False},
        "bottleneck": {"kind": "vector_quantized", "codes": 9, "dim": 2},
    },
    {"latent_dim": 16, "network": {"channels": [5], "blocks": [1]}, "input_shape": [1, 8, 8]},
]


@pytest.fixture(scope="module")
def modules(browser):
    """Give `run(expression, argument)` of a page that holds every module's exports."""
    page = browser.new_page()
    names = [
        "tensors",
        "network",
        "kernel",
        "plane",
        "grid",
        "camera",
        "palette",
        "points",
        "gif",
        "film",
        "selections",
        "pad",
        "ink",
        "picture",
    ]
    order: list[str] = []
    for name in names:
        order_modules(name, order)
    page.set_content("<canvas></canvas>")
    exposed = "\n".join(f"Object.assign(globalThis, module_{name});" for name in names)
    page.add_script_tag(content="\n".join(wrap_module(name) for name in order) + exposed)
    page.evaluate(
        """globalThis.bytes = (text) =>
             Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))"""
    )
    yield page.evaluate
    page.close()


def agree(modules, model: Autoencoder, x: torch.Tensor) -> None:
    """Encode, snap and decode in the browser as PyTorch does, to 1e-4 of the values' size.

    With the compiled kernel, and in plain JavaScript.
    """
    about, tensors = export_steps(model)
    data = encode_pack(
        {f"model.{name}": t.numpy() for name, t in tensors.items()}, {"network": about}
    )
    with torch.no_grad():
        z = model.encode(x)
        free = z + 0.3 * torch.randn_like(z)
        wanted = [z, model.bottleneck.snap(free), model.decode(model.bottleneck.snap(free))]
    answers = modules(
        """([text, x, free]) => {
          const { meta, tensors } = readTensors(bytes(text));
          const floats = (row) => Float32Array.from(row, (v) => v ?? NaN);
          const rows = (f, values) => values.map((row) => Array.from(f(floats(row))));
          return [createKernel, (count) => new PlainKernel(count)].map((makeKernel) => {
            const net = new Network(meta.network, tensors, makeKernel);
            return [rows((row) => net.encode(row).z, x), rows((row) => net.snap(row), free),
                    rows((row) => net.decode(net.snap(row)), free)];
          });
        }""",
        [
            encode_text(data),
            [[None if v != v else v for v in row] for row in x.flatten(1).tolist()],
            free.tolist(),
        ],
    )
    for got in answers:
        for theirs, ours in zip(wanted, got, strict=True):
            ours, theirs = np.array(ours), theirs.flatten(1).numpy()
            assert np.abs(ours - theirs).max() <= 1e-4 * max(1.0, np.abs(theirs).max())


def test_the_browser_compiles_the_kernel_that_was_made_of_its_source(modules):
    assert modules("() => createKernel(2048) instanceof PlainKernel") is False
    source = (WEB_FOLDER / "kernel.c").read_bytes()
    assert hashlib.sha256(source).hexdigest() in read_module("kernel_code")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_encodes_and_decodes_in_the_browser_as_in_pytorch(modules, name):
    model = Autoencoder.load(SHIPPED_FOLDER / name)
    torch.manual_seed(1)
    agree(modules, model, torch.rand(4, *model.config.input_shape))


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_every_network_runs_in_the_browser(modules, network):
    agree(modules, build_model({"network": network}), torch.rand(3, *SHARED["input_shape"]))


@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_every_part_runs_in_the_browser(modules, parts):
    model = build_model(parts)
    x = torch.rand(3, *model.config.input_shape)
    if model.config.missing:
        x[0, 2] = torch.nan
    agree(modules, model, x)


@pytest.mark.parametrize("parts", PICTURE_PARTS, ids=str)
def test_every_residual_network_runs_in_the_browser(modules, parts):
    network = {"kind": "residual", "channels": [6, 8], "blocks": [1], **parts.get("network", {})}
    model = build_model({"input_shape": [3, 9, 14], **parts, "network": network})
    agree(modules, model, torch.rand(2, *model.config.input_shape))


def test_a_unit_of_a_code_on_a_grid_is_named_by_its_channel_and_place(modules):
    names = modules("""() => [[2, 2, 3], null].map((code_grid) =>
      new Network({ code_grid, snap: [], decode: [] }, {}).nameUnit(7))""")
    assert names == ["z7: channel 1 at (1, 0)", "z7"]


def test_cells_of_a_table_are_told_in_words_as_python_tells_them(modules):
    schema = {
        "state": ColumnOptions(kind="category", categories=("active", "idle", "off")),
        "paid": ColumnOptions(kind="boolean", categories=("no", "yes")),
        "size": ColumnOptions(kind="ordered", categories=("small", "medium", "large")),
        "load": ColumnOptions(kind="number"),
    }
    rows = np.array([[0.03, 0.27, 0.7, 0.2, 1.4, 5], [0.001, 0.998, 0.001, 1.2, 2.6, -1]])
    got = modules(
        """([rows, cells]) => rows.map((row) =>
             cells.map((cell) => readCell(Float32Array.from(row), cell).text))""",
        [rows.tolist(), list_drawn_cells(schema)],
    )
    for texts, row in zip(got, rows, strict=True):
        told = list(describe_cells(schema, row).values())
        assert texts == [*told[:3], ""]


def test_arrays_of_one_two_and_four_bytes_are_read(modules):
    values = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    values[0] = [0, 6e-6, -65504]  # zero, a subnormal, the largest
    narrow = quantise_to_bytes("c", values[1:])
    data = encode_pack({"a": values, "b": values.astype(np.float16), **narrow}, {"x": [1, "ä"]})
    got = modules(
        """(text) => {
          const { meta, tensors } = readTensors(bytes(text));
          const all = (name) => new Rows(tensors, name);
          return [meta.x, ...["a", "b", "c"].map((name) =>
            Array.from({ length: all(name).count }, (_, i) => Array.from(all(name).row(i))))];
        }""",
        encode_text(data),
    )
    assert got[0] == [1, "ä"]
    assert np.array_equal(np.float32(got[1]), values)
    assert np.array_equal(np.float32(got[2]), values.astype(np.float16).astype(np.float32))
    assert np.abs(np.float32(got[3]) - values[1:]).max() <= narrow["c.step"].max() / 2 + 1e-6


def test_a_place_on_a_plane_is_the_code_that_python_says(modules):
    z = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    plane = fit_principal_plane(z)
    places, codes = modules(
        """([origin, axes, z]) => {
          const floats = (values) => Float32Array.from(values);
          const plane = new Plane(floats(origin), axes.map(floats));
          const codes = z.map((row) => Array.from(plane.computeCode(row[0], row[1])));
          return [z.map((row) => plane.project(row)), codes];
        }""",
        [plane.origin.tolist(), plane.axes.tolist(), z.tolist()],
    )
    assert np.allclose(places, plane.positions(z), atol=1e-5)
    assert np.allclose(codes, plane.codes(z[:, :2]), atol=1e-5)


def test_a_plane_through_three_codes_holds_them_and_none_goes_through_a_line(modules):
    found = modules("""() => {
      const floats = (row) => Float32Array.from(row);
      const points = [[1, 0, 2, 0], [0, 3, 1, 1], [2, 2, 0, 5]].map(floats);
      const plane = Plane.through(...points);
      const back = points.map((z) => Array.from(plane.computeCode(...plane.project(z))));
      const line = [[0, 0], [1, 1], [2, 2]].map(floats);
      const moved = plane.moveThrough(floats([9, 9, 9, 9]));
      const code = moved.computeCode(...moved.project(floats([9, 9, 9, 9])));
      return [back, Plane.through(...line), Array.from(code)];
    }""")
    assert np.allclose(found[0], [[1, 0, 2, 0], [0, 3, 1, 1], [2, 2, 0, 5]], atol=1e-5)
    assert found[1] is None
    assert np.allclose(found[2], 9, atol=1e-5)


def test_blended_codes_meet_each_points_own_and_lie_between(modules):
    at, between = modules("""() => {
      const row = (i, out = new Float32Array(1)) => { out[0] = [10, 20][i]; return out; };
      const rows = { width: 1, row };
      const positions = Float32Array.from([0, 0, 1, 0]);
      return [1, 0.5].map((x) => blendCodes(x, 0, [0, 1], positions, rows)[0]);
    }""")
    assert (at, between) == (20, 15)


def test_nearest_points_and_those_inside_are_found_as_by_brute_force(modules):
    random = np.random.default_rng(0)
    points = np.concatenate(
        [random.normal(size=(300, 2)), random.normal(8, 0.01, size=(40, 2))]
    ).astype(np.float32)
    queries = np.concatenate([points[:20], random.uniform(-20, 20, size=(60, 2))])
    got, inside = modules(
        """([points, queries]) => {
          const grid = new PointGrid(Float32Array.from(points.flat()));
          const shape = [[-1, -1], [1, -1], [1, 1], [0, 0], [-1, 1]];
          return [queries.map(([x, y]) => grid.findNearest(x, y, 6)), grid.findInside(shape)];
        }""",
        [points.tolist(), queries.tolist()],
    )
    distance = ((queries[:, None] - points[None].astype(np.float64)) ** 2).sum(-1)
    for row, found in zip(distance, got, strict=True):
        assert np.allclose(np.sort(row)[:6], row[found], rtol=1e-6, atol=1e-12)
    box = (np.abs(points) < 1).all(1)
    notch = (points[:, 1] > 0) & (np.abs(points[:, 0]) < points[:, 1])
    assert sorted(inside) == np.flatnonzero(box & ~notch).tolist()


def test_zooming_keeps_what_is_under_the_pointer(modules):
    before, after, corners = modules("""() => {
      const camera = new Camera();
      camera.resize(400, 300);
      camera.fit(Float32Array.from([-1, -2, 3, 5]), 20);
      const before = camera.toMap(100, 50);
      const corners = [camera.toScreen(-1, -2), camera.toScreen(3, 5)];
      camera.zoom(3, 100, 50);
      return [before, camera.toMap(100, 50), corners];
    }""")
    assert np.allclose(before, after)
    assert np.allclose([corners[0][1], corners[1][1]], [280, 20])


def test_a_gif_holds_the_frames_that_it_was_given(modules):
    random = np.random.default_rng(0)
    grey = random.integers(0, 256, size=(3, 64, 96)).astype(
        np.uint8
    )  # noise fills the table of codes several times
    colour = np.zeros((1, 40, 40, 3), np.uint8)
    colour[0, :20], colour[0, 20:] = [255, 0, 102], [0, 255, 255]
    for frames in (np.repeat(grey[..., None], 3, axis=3), colour):
        flat = [
            np.dstack([frame, np.full(frame.shape[:2], 255)]).astype(int).ravel().tolist()
            for frame in frames
        ]
        text = modules(
            """async ([flat, width, height]) => {
              const frames = flat.map((values) => {
                return { data: Uint8ClampedArray.from(values), width, height };
              });
              const blob = encodeGif(frames, 60);
              return Array.from(new Uint8Array(await blob.arrayBuffer()));
            }""",
            [flat, frames.shape[2], frames.shape[1]],
        )
        with Image.open(io.BytesIO(bytes(text))) as picture:
            assert picture.n_frames == len(frames)
            for i, frame in enumerate(frames):
                picture.seek(i)
                assert np.array_equal(np.asarray(picture.convert("RGB")), frame)


def test_a_path_is_walked_in_even_steps(modules):
    steps = modules("() => spaceEvenly([[0, 0], [1, 0], [1, 3]], 9)")
    assert np.allclose(steps[0], [0, 0]) and np.allclose(steps[-1], [1, 3])
    assert np.allclose(np.abs(np.diff(steps, axis=0)).sum(1), 0.5)


def test_selections_are_shared_named_and_sent_as_bits(modules):
    from ui.kit.explorer import read_explorer_answer

    said = modules("""() => {
      const mine = Selections.share("mnist:test", 20), other = Selections.share("mnist:test", 20);
      let heard = 0;
      other.listen(() => heard++);
      mine.select([3, 17]);
      mine.select([0], true);
      mine.saveAs("some");
      mine.select([]);
      return { same: mine === other, heard, none: mine.pack().rows, ...mine.pack() };
    }""")
    assert said["same"] and said["heard"] == 4 and said["none"] == ""
    picked = read_explorer_answer(said, 20)
    assert picked.rows == [] and picked.named["some"].tolist() == [0, 3, 17]


def test_ink_is_placed_as_mnist_places_its_digits(modules):
    found = np.array(
        modules("""() => {
          const ink = new Ink(document.querySelector("canvas"), [1, 28, 28], () => {});
          ink.pad.pen.fillStyle = "white";
          ink.pad.pen.fillRect(5, 10, 20, 80);
          return [...ink.readValues()];
        }""")
    ).reshape(28, 28)
    rows, columns = np.nonzero(found > 0.5)
    assert rows.min() == 4 and rows.max() == 23  # 20 pixels high, in the middle of 28
    assert abs(columns.mean() - 13.5) <= 0.5 and found.max() == 1


def test_a_pad_that_is_set_up_again_keeps_its_drawing(modules):
    ink = modules("""() => [16, 16, 24].map((side) => {
      const { pen } = new DrawingPad(document.querySelector("canvas"), { side, lineWidth: 2 });
      const before = pen.getImageData(8, 8, 1, 1).data[3];
      pen.fillRect(0, 0, 16, 16);
      return before;
    })""")
    assert ink == [0, 255, 0]


def test_a_pad_is_drawn_on_by_keys(modules):
    ink, released = modules("""() => {
      const canvas = document.createElement("canvas");
      let released = 0;
      const onRelease = () => released++;
      const { pen } = new DrawingPad(canvas, { side: 28, lineWidth: 2, onRelease });
      for (const key of ["ArrowLeft", "Enter", "ArrowUp", "ArrowUp", " ", "ArrowRight"])
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
      const read = ([x, y]) => pen.getImageData(x, y, 1, 1).data[3];
      return [[[11, 12], [14, 14], [14, 10]].map(read), released];
    }""")
    assert ink == [255, 0, 0]  # from (12, 14) upwards; before and after the pen is lifted
    assert released == 1


PAINT = """([kind, count, chosen]) => {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 60, height: 40 });
  const painter = kind === "gl" ? GlPoints.create(canvas, true) : new RasterPoints(canvas);
  if (!painter) return null;
  const positions = new Float32Array(2 * count).fill(100), camera = new Camera();
  positions.set([-2, 0, 2, 0]); // the others lie outside of the picture
  camera.resize(60, 40);
  Object.assign(camera, { x: 0, y: 0, scale: 10 });
  painter.set(positions, Uint8Array.from({ length: count }, (_, i) => i % 2), makePalette("class"));
  const isChosen = Uint8Array.from({ length: count }, (_, i) => Number(i === chosen));
  if (chosen !== null) painter.setSelection(isChosen);
  painter.draw(camera, 1);
  const copy = document.createElement("canvas").getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const at = (x, y) => Array.from(copy.getImageData(x, y, 1, 1).data);
  return [at(10, 20), at(50, 20), at(30, 5)];
}"""


@pytest.mark.parametrize("kind", ["gl", "raster"])
def test_points_are_drawn_in_their_colours_and_the_rest_of_a_selection_in_grey(modules, kind):
    left, right, nothing = modules(PAINT, [kind, 10, None])
    assert np.allclose(left[:3], [0x44, 0x77, 0xAA], atol=2) and np.allclose(
        right[:3], [0xEE, 0x66, 0x77], atol=2
    )
    assert left[3] > 150 and nothing[3] == 0
    left, right, _ = modules(PAINT, [kind, 10, 1])
    assert np.allclose(right[:3], [0xEE, 0x66, 0x77], atol=2)
    assert np.ptp(left[:3]) < 12 and 50 < left[3] < 150  # grey, and still there


def test_beyond_many_points_their_density_is_drawn(modules):
    colours = modules("""() => {
      const canvas = document.createElement("canvas"), count = MANY + 1000, camera = new Camera();
      Object.assign(canvas, { width: 60, height: 40 });
      const painter = new RasterPoints(canvas), positions = new Float32Array(2 * count);
      positions.set([1, 1]);
      camera.resize(60, 40);
      camera.scale = 10;
      painter.set(positions, new Uint8Array(count), makePalette("class"));
      painter.draw(camera, 1);
      const drawn = canvas.getContext("2d");
      const read = ([x, y]) => Array.from(drawn.getImageData(x, y, 1, 1).data);
      const seen = [[30, 20], [40, 10], [5, 5]].map(read);
      camera.x = 1000;
      const shaded = painter.shaded;
      painter.draw(camera, 1);
      return [...seen, shaded, painter.shaded];
    }""")
    assert colours[3:] == [True, False]  # and none where few are in sight
    assert colours[0] == [0xFB, 0xE0, 0x3A, 255]  # where nearly all lie
    assert colours[1][3] == 255 and colours[1][0] < 80  # where one lies
    assert colours[2][3] == 0

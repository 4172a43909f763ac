"""A move of the pointer over the explorer's map costs one overlay and no array of all points."""

from __future__ import annotations

import numpy as np
import pytest

from aecore.analysis.latent import fit_principal_plane
from aecore.explorer.bundle import order_modules, read_styles, wrap_module
from aecore.explorer.packs import encode_pack
from aecore.explorer.portable import export_steps
from tests.browser.explorer_models import build_model, encode_text

pytestmark = pytest.mark.browser

COUNT = 4000
MOVES = 12
WATCH_ARRAYS = """(limit) => {
  // Count the arrays of `limit` or more values made by construction, Array.from or a method.
  globalThis.large = [];
  const note = (array) => {
    if (array?.length >= limit) large.push(new Error().stack);
    return array;
  };
  for (const name of ["Uint8Array", "Int32Array", "Uint32Array", "Float32Array", "Float64Array"])
    globalThis[name] = new Proxy(globalThis[name], {
      construct: (target, values, self) => note(Reflect.construct(target, values, self)),
    });
  const typed = Object.getPrototypeOf(Uint8Array.prototype);
  const owners = [typed, Array.prototype];
  const methods = ["slice", "map", "filter"].flatMap((name) => owners.map((o) => [o, name]));
  const from = [[Array, "from"], [Object.getPrototypeOf(Uint8Array), "from"]];
  for (const [owner, name] of [...methods, ...from]) {
    const method = owner[name];
    owner[name] = function (...values) { return note(method.apply(this, values)); };
  }
}"""
MOVE_POINTER = """async (moves) => {
  const { explorer } = globalThis, { map } = explorer, stage = map.stage.getBoundingClientRect();
  const nextFrame = () =>
    new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const move = (i) => {
    const at = [stage.left + stage.width * (0.2 + 0.05 * i), stage.top + stage.height / 2];
    map.stage.dispatchEvent(new PointerEvent("pointermove", { clientX: at[0], clientY: at[1] }));
  };
  move(moves); // the first one sorts the points into the grid
  await nextFrame();
  let draws = 0;
  const { draw } = map.overlay;
  map.overlay.draw = function () { draws++; draw.call(this); };
  large.length = 0;
  const seen = [], perMove = [];
  for (let i = 0; i < moves; i++) {
    move(i);
    seen.push(Array.from(explorer.code));
    await nextFrame();
    perMove.push(draws);
  }
  draws = 0;
  for (let i = 0; i < moves; i++) move(i); // all before one frame
  const before = draws;
  await nextFrame();
  return { perMove, seen, before, together: draws, large };
}"""


@pytest.fixture
def explorer_page(browser):
    """An explorer of 4,000 codes of a small model, in a page that counts large arrays."""
    model = build_model({"input_shape": [6], "network": {"kind": "mlp", "hidden": [8]}})
    z = np.random.default_rng(0).normal(size=(COUNT, 5)).astype(np.float32)
    plane = fit_principal_plane(z)
    about, weights = export_steps(model)
    columns = {f"columns.{end}": np.full(6, i, np.float32) for i, end in enumerate(("low", "high"))}
    model_pack = encode_pack(
        {f"model.{name}": t.numpy() for name, t in weights.items()} | columns | {"codes": z},
        {"network": about, "token": "", "kind": "table", "columns": list("abcdef")},
    )
    meta = {"token": "", "run": "r", "data": "d", "split": "test", "classes": [], "name": "PCA"}
    map_pack = encode_pack(
        {
            "positions": plane.positions(z).astype(np.float32),
            "errors": np.ones(COUNT, np.float32),
            "plane.origin": plane.origin,
            "plane.axes": plane.axes,
        },
        meta | {"axes": ["x", "y"], "colour": "error", "total": COUNT, "marked": None},
    )
    page = browser.new_page()
    page.set_content(f"<style>{read_styles('explorer')}</style><div class='explorer-root'></div>")
    order: list[str] = []
    order_modules("explorer", order)
    page.add_script_tag(content="\n".join(wrap_module(name) for name in order))
    page.evaluate(
        """([model, map]) => {
          const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          globalThis.explorer = new module_explorer.Explorer(document.querySelector("div"));
          explorer.setMap(bytes(map));
          explorer.setModel(bytes(model));
        }""",
        [encode_text(model_pack), encode_text(map_pack)],
    )
    page.wait_for_function("explorer.map.fitted")
    page.evaluate(WATCH_ARRAYS, COUNT // 4)
    yield page
    page.close()


@pytest.mark.parametrize("selected", ["none", "one", "half"])
def test_a_move_draws_the_overlay_once_a_frame_and_makes_no_array_of_all_points(
    explorer_page, selected
):
    rows = {"none": [], "one": [7], "half": list(range(0, COUNT, 2))}[selected]
    explorer_page.evaluate("(rows) => explorer.selections.select(rows)", rows)
    result = explorer_page.evaluate(MOVE_POINTER, MOVES)
    assert result["perMove"] == list(range(1, MOVES + 1))  # one drawing a move
    assert (result["before"], result["together"]) == (0, 1)  # and one for many moves in a frame
    assert len({tuple(code) for code in result["seen"]}) == MOVES  # each was decoded
    assert result["large"] == []


def test_a_selection_makes_one_mask_and_panning_makes_no_array(explorer_page):
    result = explorer_page.evaluate("""() => {
      const { map, selections } = explorer, { listRows } = module_selections;
      selections.select([1, 2, 3]);
      const selecting = large.length, { mask } = selections, rows = listRows(mask);
      const { pixels } = map.painter;
      for (let i = 0; i < 5; i++) {
        map.camera.pan(3, 2);
        map.draw();
      }
      const same = [map.mask === mask, listRows(mask) === rows, map.painter.pixels === pixels];
      return { selecting, panning: large.length - selecting, same, rows: Array.from(rows) };
    }""")
    assert (result["selecting"], result["panning"]) == (1, 0)
    assert result["same"] == [True] * 3 and result["rows"] == [1, 2, 3]

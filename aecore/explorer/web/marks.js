// The marks on the map: rings round points, of a variational model the ellipses of q(z|x), and codes made in the panels.

import { listRows } from "./selections.js";

const DRAWN_COLOUR = "#ee6677";
const MOVED_COLOUR = "#4477aa";

// Return [{position: [x, y], row, ellipse, colour, label}, ...] as Overlay.drawMark takes them.
export function listMarks(explorer) {
  const { map, axes } = explorer;
  const marks = listMarkedRows(explorer).map((row) => ({
    position: map.positionOf(row),
    row,
    ellipse: computeEllipse(explorer, row),
    label: axes.pickedRows.includes(row) ? String(row) : "",
  }));
  if (!explorer.plane && !explorer.codes) return marks; // a code has no position there
  const { drawn, moved } = explorer;
  if (drawn) marks.push({ position: locateCode(explorer, drawn), colour: DRAWN_COLOUR, label: "drawn" });
  if (moved) marks.push({ position: locateCode(explorer, moved), colour: MOVED_COLOUR, label: "moved" });
  return marks;
}

// The point under the pointer, those picked for a plane, and the selected one where it is only one.
function listMarkedRows({ hoveredRow, axes, selections, count }) {
  const selectedRows = listRows(selections?.mask ?? null);
  const rows = new Set([hoveredRow, ...axes.pickedRows, ...(selectedRows.length === 1 ? selectedRows : [])]);
  return [...rows].filter((row) => row !== null && row !== undefined && row < count);
}

// Where a code lies on the map: on a plane exactly, elsewhere at the input with the nearest code.
function locateCode({ plane, map, codes }, z) {
  return plane ? plane.project(z) : map.positionOf(codes.findNearest(z));
}

// N(mean, diag sigma^2) on the plane: half axes of one deviation, and the angle of the longer one. null without a plane.
function computeEllipse({ logVariance, plane }, row) {
  if (!logVariance || !plane) return null;
  const variance = logVariance.row(row).map(Math.exp),
    [u, v] = plane.axes;
  let [a, b, c] = [0, 0, 0];
  variance.forEach((value, i) => {
    a += value * u[i] * u[i];
    b += value * u[i] * v[i];
    c += value * v[i] * v[i];
  });
  const middle = (a + c) / 2,
    spread = Math.hypot((a - c) / 2, b);
  return {
    long: Math.sqrt(middle + spread),
    short: Math.sqrt(Math.max(0, middle - spread)),
    angle: Math.atan2(2 * b, a - c) / 2,
  };
}

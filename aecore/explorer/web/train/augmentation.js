// Pictures changed at random, afresh at every step: moved, turned and mirrored, each by itself. What comes from outside
// a picture is its border, drawn on.

const TURN = (15 / 180) * Math.PI;
const SHIFT = 0.1; // of a side
export const AUGMENTATIONS = ["flip", "shift", "rotation"];

// Change rows of pictures (channels, height, width) in place, by these kinds.
export function augment(rows, [channels, height, width], kinds, random) {
  const area = height * width,
    size = channels * area,
    drawWithin = (bound) => bound * (2 * random.drawUniform() - 1);
  for (let first = 0; first < rows.length; first += size) {
    const angle = kinds.includes("rotation") ? drawWithin(TURN) : 0,
      [down, right] = [height, width].map((side) => (kinds.includes("shift") ? drawWithin(SHIFT * side) : 0)),
      mirror = kinds.includes("flip") && random.drawUniform() < 0.5 ? -1 : 1;
    const picture = rows.slice(first, first + size),
      [cosine, sine] = [Math.cos(angle), Math.sin(angle)],
      [middle, centre] = [(height - 1) / 2, (width - 1) / 2];
    for (let i = 0, place = first; i < height; i++)
      for (let j = 0; j < width; j++, place++) {
        const y = i - middle - down,
          x = mirror * (j - centre) - right,
          row = middle + cosine * y - sine * x,
          column = centre + sine * y + cosine * x;
        for (let c = 0; c < channels; c++)
          rows[place + c * area] = readBetween(picture.subarray(c * area, (c + 1) * area), height, width, row, column);
      }
  }
  return rows;
}

// The value of a picture between its pixels, from the four around; beyond the edge as at the edge.
export function readBetween(pixels, height, width, row, column) {
  const y = Math.min(height - 1, Math.max(0, row)),
    x = Math.min(width - 1, Math.max(0, column)),
    [top, left] = [Math.floor(y), Math.floor(x)],
    [bottom, right] = [Math.min(height - 1, top + 1), Math.min(width - 1, left + 1)],
    [down, along] = [y - top, x - left];
  const read = (i) => pixels[i * width + left] * (1 - along) + pixels[i * width + right] * along;
  return read(top) * (1 - down) + read(bottom) * down;
}

// Small turns, shifts and changes of size, so that ten drawings become hundreds of examples.

import { readBetween } from "../train/augmentation.js";

const TURN = Math.PI / 15; // at most, to either side
const SHIFT = 0.07; // of a side
const SIZE = 0.1; // larger or smaller

// A picture (C, H, W), varied; random fills arrays with numbers in [0, 1), as Random of train/random.js does.
export function varyPicture(x, [channels, height, width], random) {
  const draws = random.fillUniform(new Float32Array(4)).map((share) => 2 * share - 1);
  const [angle, scale] = [TURN * draws[0], 1 + SIZE * draws[1]],
    [right, down] = [SHIFT * width * draws[2], SHIFT * height * draws[3]];
  const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale],
    [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2],
    varied = new Float32Array(x.length);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [u, v] = [column - middleX - right, row - middleY - down];
      const [fromX, fromY] = [middleX + cos * u + sin * v, middleY - sin * u + cos * v];
      for (let c = 0; c < channels; c++) {
        const channel = x.subarray(c * height * width, (c + 1) * height * width);
        varied[c * height * width + row * width + column] = readBetween(channel, height, width, fromY, fromX);
      }
    }
  return varied;
}

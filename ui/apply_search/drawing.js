// The drawing pad of the Search page: sends the ink as 28 x 28 bytes after each stroke, and none once it is cleared.

import { DrawingPad } from "../../aecore/explorer/web/pad.js";

const SIDE = 224; // pixels of the pad
const LINE_WIDTH = 18;
const SENT_SIDE = 28; // pixels that are sent

export default function ({ parentElement, setStateValue }) {
  const pad = new DrawingPad(parentElement.querySelector("canvas"), {
    side: SIDE,
    lineWidth: LINE_WIDTH,
    onRelease: () => setStateValue("ink", readInk(pad.canvas)),
  });
  parentElement.querySelector("button").onclick = () => {
    pad.clear();
    setStateValue("ink", []);
  };
}

// The red of each pixel of the canvas in its smaller size: white ink alone is on it.
function readInk(canvas) {
  const small = document.createElement("canvas");
  small.width = small.height = SENT_SIDE;
  const context = small.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, SENT_SIDE, SENT_SIDE);
  const pixels = context.getImageData(0, 0, SENT_SIDE, SENT_SIDE).data;
  return Array.from({ length: SENT_SIDE * SENT_SIDE }, (_, i) => pixels[4 * i]);
}

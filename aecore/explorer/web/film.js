// The film of a path over the map: decoded step by step, played, and saved as a GIF.

import { element, saveFile } from "./dom.js";
import { encodeGif } from "./gif.js";

const STEPS = 60;
const MILLISECONDS = 60;
const GIF_SIDE = 168;

export class Film {
  constructor(explorer) {
    this.explorer = explorer;
    this.playButton = element(
      "button",
      { type: "button", onclick: () => (this.timer ? this.stop() : this.start()) },
      "Play",
    );
    this.root = element(
      "section",
      { class: "film", hidden: true, "aria-label": "Film of the path" },
      element("span", {}, "Path "),
      this.playButton,
      element("button", { type: "button", onclick: () => this.save() }, "GIF"),
      element("button", { type: "button", onclick: () => this.setPath(null) }, "Clear"),
    );
  }

  // A path [[x, y], ...] on the map, or null. It plays at once, unless its viewer prefers less motion.
  setPath(path) {
    this.stop();
    this.explorer.map.path = this.path = path;
    this.root.hidden = !path;
    this.explorer.map.overlay.request();
    if (path && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.start();
  }

  start() {
    let step = 0;
    const { map } = this.explorer,
      positions = spaceEvenly(this.path, STEPS);
    this.playButton.textContent = "Stop";
    map.playing = true;
    this.timer = setInterval(() => {
      if (step >= positions.length) return this.stop();
      const [x, y] = positions[step++];
      map.cursor = map.camera.toScreen(x, y);
      this.explorer.decodeAt(x, y, null, false);
      map.overlay.request();
    }, MILLISECONDS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.explorer.map.playing = false;
    this.playButton.textContent = "Play";
  }

  // The decoded pictures on the path, enlarged without blur.
  renderFrames() {
    const { explorer } = this,
      small = element("canvas"),
      large = element("canvas");
    return spaceEvenly(this.path, STEPS).map(([x, y]) => {
      explorer.painter.paint(small, explorer.network.decode(explorer.computeCode(x, y)));
      const times = Math.max(1, Math.floor(GIF_SIDE / Math.max(small.width, small.height)));
      Object.assign(large, { width: small.width * times, height: small.height * times });
      const context = large.getContext("2d");
      context.imageSmoothingEnabled = false;
      if (explorer.modelMeta.kind !== "image") {
        context.fillStyle = "white";
        context.fillRect(0, 0, large.width, large.height);
      }
      context.drawImage(small, 0, 0, large.width, large.height);
      return context.getImageData(0, 0, large.width, large.height);
    });
  }

  save() {
    saveFile(encodeGif(this.renderFrames(), MILLISECONDS), `${this.explorer.mapMeta.run}-path.gif`);
  }
}

// `count` positions on a line [[x, y], ...], equally far apart.
export function spaceEvenly(line, count) {
  const lengths = line.slice(1).map(([x, y], i) => Math.hypot(x - line[i][0], y - line[i][1]));
  const total = lengths.reduce((a, b) => a + b, 0);
  let segment = 0,
    before = 0;
  return Array.from({ length: count }, (_, i) => {
    const target = (total * i) / (count - 1);
    while (segment < lengths.length - 1 && before + lengths[segment] < target) before += lengths[segment++];
    const part = lengths[segment] ? Math.min(1, (target - before) / lengths[segment]) : 0;
    return [0, 1].map((axis) => line[segment][axis] + part * (line[segment + 1][axis] - line[segment][axis]));
  });
}

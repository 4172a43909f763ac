// A way over the map as a film: decoded step by step, played, and saved as a GIF.

import { element, save } from "./dom.js";
import { gif } from "./gif.js";

const STEPS = 60,
  MILLISECONDS = 60,
  GIF_SIDE = 168;

export class Film {
  constructor(explorer) {
    this.explorer = explorer;
    this.play = element("button", { type: "button", onclick: () => (this.timer ? this.stop() : this.start()) }, "Play");
    const keep = element("button", { type: "button", onclick: () => this.save() }, "GIF");
    const drop = element("button", { type: "button", onclick: () => this.take(null) }, "Clear");
    this.root = element(
      "section",
      { class: "film", hidden: true, "aria-label": "Film of the path" },
      element("span", {}, "Path "),
      this.play,
      keep,
      drop,
    );
  }

  // A way [[x, y], ...] on the map, or null. It plays at once, unless its viewer prefers less motion.
  take(way) {
    this.stop();
    this.explorer.map.way = this.way = way;
    this.root.hidden = !way;
    this.explorer.map.drawOver();
    if (way && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.start();
  }

  start() {
    let step = 0;
    const places = evenly(this.way, STEPS);
    this.play.textContent = "Stop";
    this.explorer.map.playing = true;
    this.timer = setInterval(() => {
      if (step >= places.length) return this.stop();
      const [x, y] = places[step++];
      this.explorer.map.cursor = this.explorer.map.camera.toScreen(x, y);
      this.explorer.look(x, y, null, false);
      this.explorer.map.drawOver();
    }, MILLISECONDS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.explorer.map.playing = false;
    this.play.textContent = "Play";
  }

  // The decoded pictures on the way, enlarged without blur.
  frames() {
    const { explorer } = this,
      small = element("canvas"),
      large = element("canvas");
    return evenly(this.way, STEPS).map(([x, y]) => {
      explorer.painter.paint(small, explorer.network.decode(explorer.codeAt(x, y)));
      const times = Math.max(1, Math.floor(GIF_SIDE / Math.max(small.width, small.height)));
      Object.assign(large, { width: small.width * times, height: small.height * times });
      const context = large.getContext("2d");
      context.imageSmoothingEnabled = false;
      if (explorer.model.kind !== "image") {
        context.fillStyle = "white";
        context.fillRect(0, 0, large.width, large.height);
      }
      context.drawImage(small, 0, 0, large.width, large.height);
      return context.getImageData(0, 0, large.width, large.height);
    });
  }

  save() {
    save(gif(this.frames(), MILLISECONDS), `${this.explorer.about.run}-path.gif`);
  }
}

// `count` places on a line, equally far apart.
export function evenly(line, count) {
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

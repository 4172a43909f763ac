// The part of the map that is on screen: one scale for both axes, y upwards.

export class Camera {
  constructor() {
    Object.assign(this, { x: 0, y: 0, scale: 1, width: 1, height: 1 });
  }

  resize(width, height) {
    Object.assign(this, { width, height });
  }

  // Show all positions, with a margin in pixels.
  fit(positions, margin = 28) {
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < positions.length; i += 2) {
      if (positions[i] < left) left = positions[i];
      if (positions[i] > right) right = positions[i];
      if (positions[i + 1] < bottom) bottom = positions[i + 1];
      if (positions[i + 1] > top) top = positions[i + 1];
    }
    if (!(left <= right)) [left, right, bottom, top] = [-1, 1, -1, 1];
    this.x = (left + right) / 2;
    this.y = (bottom + top) / 2;
    const across = (this.width - 2 * margin) / Math.max(right - left, 1e-9);
    const up = (this.height - 2 * margin) / Math.max(top - bottom, 1e-9);
    this.scale = Math.max(1e-9, Math.min(across, up));
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, this.height / 2 - (y - this.y) * this.scale];
  }

  toMap(px, py) {
    return [(px - this.width / 2) / this.scale + this.x, (this.height / 2 - py) / this.scale + this.y];
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
  }

  // Zoom by a factor about (px, py): the position under it stays.
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toMap(px, py);
    this.scale = Math.min(1e9, Math.max(1e-9, this.scale * factor));
    const [nowX, nowY] = this.toMap(px, py);
    this.x += x - nowX;
    this.y += y - nowY;
  }
}

// A grid of square cells that finds the points near a position, or inside a shape: points are sorted by cell.

export class PointGrid {
  // positions: x and y in turn.
  constructor(positions) {
    this.positions = positions;
    const count = positions.length / 2;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < count; i++) {
      left = Math.min(left, positions[2 * i]);
      right = Math.max(right, positions[2 * i]);
      bottom = Math.min(bottom, positions[2 * i + 1]);
      top = Math.max(top, positions[2 * i + 1]);
    }
    const extent = Math.max(right - left, top - bottom, 1e-9);
    this.side = Math.max(1, Math.min(512, Math.round(Math.sqrt(count / 2))));
    Object.assign(this, { left, bottom, cell: (extent * (1 + 1e-6)) / this.side });
    const cells = Int32Array.from({ length: count }, (_, i) => this.findCell(positions[2 * i], positions[2 * i + 1]));
    this.starts = new Int32Array(this.side * this.side + 1);
    for (const cell of cells) this.starts[cell + 1]++;
    for (let i = 0; i < this.side * this.side; i++) this.starts[i + 1] += this.starts[i];
    const next = this.starts.slice();
    this.order = new Int32Array(count);
    cells.forEach((cell, i) => (this.order[next[cell]++] = i));
  }

  findCell(x, y) {
    return this.clampCell((y - this.bottom) / this.cell) * this.side + this.clampCell((x - this.left) / this.cell);
  }

  clampCell(cells) {
    return Math.max(0, Math.min(this.side - 1, Math.floor(cells)));
  }

  // The k nearest points, nearest first: rings of cells, until a ring lies beyond the k-th.
  findNearest(x, y, k = 1) {
    const column = this.clampCell((x - this.left) / this.cell),
      row = this.clampCell((y - this.bottom) / this.cell);
    const nearest = []; // [distance squared, point], ascending
    for (let ring = 0; ring < this.side; ring++) {
      this.visitRing(column, row, ring, (i) => {
        const distance = (this.positions[2 * i] - x) ** 2 + (this.positions[2 * i + 1] - y) ** 2;
        if (nearest.length === k && distance >= nearest[k - 1][0]) return;
        let rank = nearest.length;
        while (rank > 0 && nearest[rank - 1][0] > distance) rank--;
        nearest.splice(rank, 0, [distance, i]);
        if (nearest.length > k) nearest.pop();
      });
      const reach = this.measureReach(x, y, column, row, ring);
      if (nearest.length === k && nearest[k - 1][0] <= reach * reach) break;
    }
    return nearest.map(([, i]) => i);
  }

  // How far from (x, y) the cells seen so far reach in every direction; 0 while (x, y) itself is outside of them.
  measureReach(x, y, column, row, ring) {
    const low = (cell, start) => start + (cell - ring) * this.cell,
      high = (cell, start) => start + (cell + ring + 1) * this.cell;
    return Math.max(
      0,
      Math.min(
        x - low(column, this.left),
        high(column, this.left) - x,
        y - low(row, this.bottom),
        high(row, this.bottom) - y,
      ),
    );
  }

  visitRing(column, row, ring, visit) {
    const last = this.side - 1;
    for (let r = Math.max(0, row - ring); r <= Math.min(last, row + ring); r++) {
      const edge = Math.abs(r - row) === ring,
        step = edge || ring === 0 ? 1 : 2 * ring;
      for (let c = column - ring; c <= column + ring; c += step) {
        if (c < 0 || c > last) continue;
        const cell = r * this.side + c;
        for (let i = this.starts[cell]; i < this.starts[cell + 1]; i++) visit(this.order[i]);
      }
    }
  }

  // Points inside a polygon [[x, y], ...], by the even-odd rule.
  findInside(polygon) {
    const xs = polygon.map((p) => p[0]),
      ys = polygon.map((p) => p[1]),
      result = [];
    const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    for (let i = 0; i < this.positions.length / 2; i++) {
      const x = this.positions[2 * i],
        y = this.positions[2 * i + 1];
      if (x < left || x > right || y < bottom || y > top) continue;
      let within = false;
      for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++)
        if (ys[a] > y !== ys[b] > y && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) within = !within;
      if (within) result.push(i);
    }
    return result;
  }
}

// Random numbers from a seed: sfc32 (Doty-Humphrey, PractRand), which passes the usual test batteries.

const WARM_UP = 12; // numbers after which a seed has spread

export class Random {
  constructor(seed) {
    this.state = Uint32Array.of(0x9e3779b9, 0x243f6a88, seed, 1);
    for (let i = 0; i < WARM_UP; i++) this.drawBits();
  }

  drawBits() {
    const { state } = this,
      sum = (state[0] + state[1] + state[3]) >>> 0;
    state[3] += 1;
    state[0] = state[1] ^ (state[1] >>> 9);
    state[1] = state[2] + (state[2] << 3);
    state[2] = ((state[2] << 21) | (state[2] >>> 11)) + sum;
    return sum;
  }

  // Evenly from [0, 1).
  drawUniform() {
    return this.drawBits() / 2 ** 32;
  }

  // A whole number below `count`.
  drawInteger(count) {
    return Math.floor(this.drawUniform() * count);
  }

  fillUniform(out) {
    for (let i = 0; i < out.length; i++) out[i] = this.drawUniform();
    return out;
  }

  // From N(0, 1), two at a time (Box & Muller, 1958).
  fillNormal(out) {
    for (let i = 0; i < out.length; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.drawUniform())),
        angle = 2 * Math.PI * this.drawUniform();
      out[i] = radius * Math.cos(angle);
      if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
    }
    return out;
  }

  // The numbers below `count` in a random order (Fisher & Yates).
  permute(count) {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.drawInteger(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

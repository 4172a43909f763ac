// How often a page draws what a worker tells it: less often where frames come late, as on a processor that both share.

export const LATE = 25; // ms from one frame to the next, of 60 a second: one is missing
const [FIRST_REST, LONGEST_REST] = [100, 1600]; // ms

export class Pace {
  rest = 0; // ms, after the last drawing
  end = 0; // of the rest

  get isResting() {
    return performance.now() < this.end;
  }

  // Something was drawn in the frame that began at `start`: rest longer where the next frame is late, else shorter.
  watch(start) {
    requestAnimationFrame((now) => {
      const longer = Math.min(LONGEST_REST, Math.max(FIRST_REST, 2 * this.rest)),
        shorter = this.rest > FIRST_REST ? this.rest / 2 : 0;
      this.rest = now - start > LATE ? longer : shorter;
      this.end = now + this.rest;
    });
  }
}

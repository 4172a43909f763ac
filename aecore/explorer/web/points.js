// Drawing the points of a map: WebGL where there is WebGL, pixel by pixel where there is none, density beyond MANY.

export const MANY = 300_000;
const GREY = [150, 150, 155];
// After Cividis, blue to yellow by lightness, much the same to colour-blind eyes (Nuñez et al., 2018); its darkest part,
// which a dark page would swallow, is left out.
const STOPS = ["2b4a8b", "3f5583", "56617e", "6c6e7a", "817b77", "978a72", "ae9a69", "c6ac5c", "dfc14b", "fbe03a"];
const CLASSES = ["4477aa", "ee6677", "228833", "ccbb44", "66ccee", "aa3377", "44aa99", "ee8866", "117733", "882255"];

const rgb = (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));

// 256 colours, 3 bytes each: of classes, or of a scale from low to high.
export function palette(kind) {
  const colours = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    if (kind === "class") {
      colours.set(rgb(CLASSES[i % CLASSES.length]), 3 * i);
      continue;
    }
    const at = (i / 255) * (STOPS.length - 1),
      low = Math.floor(at),
      part = at - low;
    const [a, b] = [rgb(STOPS[low]), rgb(STOPS[Math.min(low + 1, STOPS.length - 1)])];
    colours.set(
      a.map((value, c) => Math.round(value + part * (b[c] - value))),
      3 * i,
    );
  }
  return colours;
}

export const css = (colours, i) => `rgb(${colours.subarray(3 * i, 3 * i + 3).join(" ")})`;

// How large a point is, in CSS pixels.
export const pointSize = (count) => (count < 3000 ? 7 : count < 20_000 ? 5 : count < 100_000 ? 3 : 2);

// Painters have set(positions, colours, palette), choose(mask or null) and draw(camera, ratio), where ratio is device
// pixels per CSS pixel.

const VERTEX = `#version 300 es
in vec2 position; in float colour; in float chosen;
uniform vec2 centre, zoom; uniform float size, some, front; uniform sampler2D colours;
out vec4 tint;
void main() {
  bool on = some < 0.5 || chosen > 0.5;
  gl_Position = on == (front > 0.5) ? vec4((position - centre) * zoom, 0, 1) : vec4(2, 2, 2, 1);
  gl_PointSize = some > 0.5 && on ? 1.5 * size : size;
  tint = on ? vec4(texelFetch(colours, ivec2(int(colour), 0), 0).rgb, 0.8) : vec4(${GREY.map((v) => v / 255)}, 0.3);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 tint; uniform float size; out vec4 colour;
void main() {
  if (size > 3.0 && length(gl_PointCoord - 0.5) > 0.5) discard;
  colour = vec4(tint.rgb * tint.a, tint.a);
}`;

export class GlPoints {
  // null where this browser has no WebGL, one that cannot run the program, or one that the processor plays: pixel by
  // pixel is then faster (`anyhow` takes that, too).
  static on(canvas, anyhow = false) {
    const gl = canvas.getContext("webgl2", { antialias: false, failIfMajorPerformanceCaveat: !anyhow });
    if (!gl || (!anyhow && /swiftshader|llvmpipe|software/i.test(renderer(gl)))) return null;
    const program = linked(gl, VERTEX, FRAGMENT);
    return program && new GlPoints(canvas, gl, program);
  }

  constructor(canvas, gl, program) {
    Object.assign(this, { canvas, gl, count: 0 });
    gl.useProgram(program);
    this.uniform = (name) => gl.getUniformLocation(program, name);
    this.buffers = {};
    for (const [name, width, type] of [
      ["position", 2, gl.FLOAT],
      ["colour", 1, gl.UNSIGNED_BYTE],
      ["chosen", 1, gl.UNSIGNED_BYTE],
    ]) {
      const at = gl.getAttribLocation(program, name);
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, width, type, false, 0, 0);
    }
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  fill(name, data) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, data, this.gl.STATIC_DRAW);
  }

  set(positions, colours, palette) {
    const { gl } = this;
    this.count = positions.length / 2;
    this.fill("position", positions);
    this.fill("colour", colours);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, palette);
    this.choose(null);
  }

  choose(mask) {
    this.some = mask !== null;
    this.fill("chosen", mask ?? new Uint8Array(this.count));
  }

  draw(camera, ratio) {
    const { gl, canvas } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.uniform("centre"), camera.x, camera.y);
    gl.uniform2f(this.uniform("zoom"), (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(this.uniform("size"), pointSize(this.count) * ratio);
    gl.uniform1f(this.uniform("some"), this.some ? 1 : 0);
    for (const front of this.some ? [0, 1] : [1]) {
      // grey ones first, so that none hides a chosen one
      gl.uniform1f(this.uniform("front"), front);
      gl.drawArrays(gl.POINTS, 0, this.count);
    }
  }
}

// What draws for WebGL, where the browser says it.
function renderer(gl) {
  const named = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

// A program of two shaders, null where they do not link.
function linked(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}

export class RasterPoints {
  constructor(canvas) {
    Object.assign(this, { canvas, count: 0, mask: null, context: canvas.getContext("2d") });
  }

  set(positions, colours, palette) {
    Object.assign(this, { positions, colours, palette, count: positions.length / 2, mask: null });
  }

  choose(mask) {
    this.mask = mask;
  }

  draw(camera, ratio) {
    const { width, height } = this.canvas;
    const image = this.context.createImageData(width, height),
      pixels = new Uint32Array(image.data.buffer);
    this.shaded = this.count > MANY && !this.mask && this.shade(pixels, camera, ratio);
    if (!this.shaded) {
      if (this.mask) this.stamp(pixels, camera, ratio, 0);
      this.stamp(pixels, camera, ratio, 1);
    }
    this.context.putImageData(image, 0, 0);
  }

  // Every point as a small square without corners; of a selection the chosen ones, or the grey rest.
  stamp(pixels, camera, ratio, front) {
    const { width, height } = this.canvas,
      { positions, colours, mask } = this;
    const wide = mask && front ? 1.5 : 1,
      size = Math.max(1, Math.round(wide * pointSize(this.count) * ratio));
    const half = size >> 1,
      scale = camera.scale * ratio;
    const inks = Uint32Array.from({ length: 256 }, (_, i) => opaque(...this.palette.subarray(3 * i, 3 * i + 3)));
    const grey = (90 << 24) | (GREY[2] << 16) | (GREY[1] << 8) | GREY[0];
    for (let i = 0; i < this.count; i++) {
      if (mask && mask[i] !== front) continue;
      const left = Math.round((positions[2 * i] - camera.x) * scale + width / 2) - half;
      const top = Math.round(height / 2 - (positions[2 * i + 1] - camera.y) * scale) - half;
      if (left < 0 || top < 0 || left + size > width || top + size > height) continue;
      const ink = mask && !front ? grey : inks[colours[i]];
      for (let y = 0, at = top * width + left; y < size; y++, at += width) {
        const corner = size > 3 && (y === 0 || y === size - 1) ? 1 : 0;
        for (let x = corner; x < size - corner; x++) pixels[at + x] = ink; // faster than fill() for so few
      }
    }
  }

  // How many points fall on each pixel, in logarithmic steps; false where few enough are in sight to be drawn.
  shade(pixels, camera, ratio) {
    const { width, height } = this.canvas,
      { positions } = this,
      scale = camera.scale * ratio;
    const counts = new Uint32Array(pixels.length),
      colours = palette("scale");
    let most = 1,
      seen = 0;
    for (let i = 0; i < this.count; i++) {
      const x = Math.round((positions[2 * i] - camera.x) * scale + width / 2);
      const y = Math.round(height / 2 - (positions[2 * i + 1] - camera.y) * scale);
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      most = Math.max(most, ++counts[y * width + x]);
      seen++;
    }
    if (seen < MANY / 10) return false;
    for (let i = 0; i < counts.length; i++) {
      if (!counts[i]) continue;
      const at = 3 * Math.round((Math.log1p(counts[i]) / Math.log1p(most)) * 255);
      pixels[i] = opaque(...colours.subarray(at, at + 3));
    }
    return true;
  }
}

const opaque = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

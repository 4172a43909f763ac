// The points of a map: with WebGL, without it pixel by pixel, and beyond MANY in sight as a density.
//
// Both painters have set(positions, shades, palette), setSelection(mask or null) and draw(camera, ratio), where ratio is
// device pixels per CSS pixel. Drawing again makes no array: pixels, counts and buffers are kept.

import { makePalette } from "./palette.js";

export const MANY = 300_000;
const GREY = [150, 150, 155];

// How large a point is, in CSS pixels.
export function pointSize(count) {
  return count < 3000 ? 7 : count < 20_000 ? 5 : count < 100_000 ? 3 : 2;
}

const VERTEX = `#version 300 es
in vec2 position; in float shade; in float selected;
uniform vec2 centre, zoom; uniform float size, selecting, front; uniform sampler2D palette;
out vec4 tint;
void main() {
  bool on = selecting < 0.5 || selected > 0.5;
  gl_Position = on == (front > 0.5) ? vec4((position - centre) * zoom, 0, 1) : vec4(2, 2, 2, 1);
  gl_PointSize = selecting > 0.5 && on ? 1.5 * size : size;
  tint = on ? vec4(texelFetch(palette, ivec2(int(shade), 0), 0).rgb, 0.8) : vec4(${GREY.map((v) => v / 255)}, 0.3);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 tint; uniform float size; out vec4 colour;
void main() {
  if (size > 3.0 && length(gl_PointCoord - 0.5) > 0.5) discard;
  colour = vec4(tint.rgb * tint.a, tint.a);
}`;

export class GlPoints {
  // Return null where this browser has no WebGL, one that cannot run the program, or one that the processor plays: pixel
  // by pixel is then faster (`allowSoftware` takes that, too).
  static create(canvas, allowSoftware = false) {
    const gl = canvas.getContext("webgl2", { antialias: false, failIfMajorPerformanceCaveat: !allowSoftware });
    if (!gl || (!allowSoftware && /swiftshader|llvmpipe|software/i.test(readRendererName(gl)))) return null;
    const program = linkProgram(gl, VERTEX, FRAGMENT);
    return program && new GlPoints(canvas, gl, program);
  }

  constructor(canvas, gl, program) {
    Object.assign(this, { canvas, gl, count: 0, selecting: false });
    gl.useProgram(program);
    this.uniforms = {};
    for (const name of ["centre", "zoom", "size", "selecting", "front"])
      this.uniforms[name] = gl.getUniformLocation(program, name);
    this.buffers = {};
    for (const [name, width, type] of [
      ["position", 2, gl.FLOAT],
      ["shade", 1, gl.UNSIGNED_BYTE],
      ["selected", 1, gl.UNSIGNED_BYTE],
    ]) {
      const location = gl.getAttribLocation(program, name);
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, width, type, false, 0, 0);
    }
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  // Fill a buffer with an array, or with so many zero bytes.
  fillBuffer(name, dataOrSize) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, dataOrSize, this.gl.STATIC_DRAW);
  }

  set(positions, shades, palette) {
    const { gl } = this;
    this.count = positions.length / 2;
    this.fillBuffer("position", positions);
    this.fillBuffer("shade", shades);
    this.fillBuffer("selected", this.count);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, palette);
    this.selecting = false;
  }

  // Without a mask the program does not read which points are selected, so nothing is uploaded.
  setSelection(mask) {
    this.selecting = mask !== null;
    if (!mask) return;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers.selected);
    this.gl.bufferSubData(this.gl.ARRAY_BUFFER, 0, mask);
  }

  draw(camera, ratio) {
    const { gl, canvas, uniforms } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.centre, camera.x, camera.y);
    gl.uniform2f(uniforms.zoom, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(uniforms.size, pointSize(this.count) * ratio);
    gl.uniform1f(uniforms.selecting, this.selecting ? 1 : 0);
    for (const front of this.selecting ? [0, 1] : [1]) {
      // grey ones first, so that none hides a selected one
      gl.uniform1f(uniforms.front, front);
      gl.drawArrays(gl.POINTS, 0, this.count);
    }
  }
}

// The name of what draws for WebGL, where the browser says it.
function readRendererName(gl) {
  const extension = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(extension ? extension.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

// A program of two shaders, null where they do not link.
function linkProgram(gl, vertex, fragment) {
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
    this.scaleInks = toInks(makePalette("scale"));
  }

  set(positions, shades, palette) {
    Object.assign(this, { positions, shades, inks: toInks(palette), count: positions.length / 2, mask: null });
  }

  setSelection(mask) {
    this.mask = mask;
  }

  draw(camera, ratio) {
    const pixels = this.clearPixels();
    this.shaded = this.count > MANY && !this.mask && this.shadeDensity(pixels, camera, ratio);
    if (!this.shaded) {
      if (this.mask) this.stampPoints(pixels, camera, ratio, 0);
      this.stampPoints(pixels, camera, ratio, 1);
    }
    this.context.putImageData(this.image, 0, 0);
  }

  // The pixels of the canvas, one number each, all transparent; made anew only for a canvas of another size.
  clearPixels() {
    const { width, height } = this.canvas;
    if (this.image?.width === width && this.image.height === height) return this.pixels.fill(0);
    this.image = this.context.createImageData(width, height);
    this.counts = null;
    return (this.pixels = new Uint32Array(this.image.data.buffer));
  }

  // Every point as a small square without corners; of a selection the selected ones (front 1), or the grey rest (0).
  stampPoints(pixels, camera, ratio, front) {
    const { width, height } = this.canvas,
      { positions, shades, mask, inks } = this;
    const enlarged = mask && front ? 1.5 : 1,
      size = Math.max(1, Math.round(enlarged * pointSize(this.count) * ratio));
    const half = size >> 1,
      scale = camera.scale * ratio;
    const grey = (90 << 24) | (GREY[2] << 16) | (GREY[1] << 8) | GREY[0];
    for (let i = 0; i < this.count; i++) {
      if (mask && mask[i] !== front) continue;
      const left = Math.round((positions[2 * i] - camera.x) * scale + width / 2) - half;
      const top = Math.round(height / 2 - (positions[2 * i + 1] - camera.y) * scale) - half;
      if (left < 0 || top < 0 || left + size > width || top + size > height) continue;
      const ink = mask && !front ? grey : inks[shades[i]];
      for (let y = 0, start = top * width + left; y < size; y++, start += width) {
        const corner = size > 3 && (y === 0 || y === size - 1) ? 1 : 0;
        for (let x = corner; x < size - corner; x++) pixels[start + x] = ink; // faster than fill() for so few
      }
    }
  }

  // How many points fall on each pixel, in logarithmic steps; false where few enough are in sight to be drawn.
  shadeDensity(pixels, camera, ratio) {
    const { width, height } = this.canvas,
      { positions, scaleInks } = this,
      scale = camera.scale * ratio;
    const counts = this.counts?.fill(0) ?? (this.counts = new Uint32Array(pixels.length));
    let largest = 1,
      inSight = 0;
    for (let i = 0; i < this.count; i++) {
      const x = Math.round((positions[2 * i] - camera.x) * scale + width / 2);
      const y = Math.round(height / 2 - (positions[2 * i + 1] - camera.y) * scale);
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      largest = Math.max(largest, ++counts[y * width + x]);
      inSight++;
    }
    if (inSight < MANY / 10) return false;
    for (let i = 0; i < counts.length; i++)
      if (counts[i]) pixels[i] = scaleInks[Math.round((Math.log1p(counts[i]) / Math.log1p(largest)) * 255)];
    return true;
  }
}

// The 256 colours of a palette as opaque pixels.
function toInks(palette) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const [r, g, b] = palette.subarray(3 * i, 3 * i + 3);
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

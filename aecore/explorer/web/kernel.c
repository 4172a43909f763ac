// The inner loops of networks: of those on grids (grid_program.js), and in training, on the floats of a memory that
// JavaScript gives.
// `python scripts/build_kernel.py` compiles them into kernel_code.js. kernel.js does the same in plain JavaScript, and
// says what each function computes. Rows of channels are multiples of 4 floats.

#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("unroll")
#define ROWS 4 // of a tile: with two vectors each, its sums stay in registers

#ifdef __wasm_relaxed_simd__ // rounded once, and twice as fast; not every browser has it
#define MULTIPLY_ADD(a, b, sum) wasm_f32x4_relaxed_madd(a, b, sum)
#else
#define MULTIPLY_ADD(a, b, sum) wasm_f32x4_add(sum, wasm_f32x4_mul(a, b))
#endif

// `rows` rows of the product, 4 `vectors` columns each.
INLINE void multiply_tile(const int rows, const int vectors, const float *a, int step, int row, int taps, int inner,
                          const float *weight, const float *start, int start_step, float *out, int out_step) {
  v128_t sums[ROWS][2];
  UNROLL for (int m = 0; m < rows; m++)
    UNROLL for (int v = 0; v < vectors; v++) sums[m][v] = wasm_v128_load(start + m * start_step + 4 * v);
  for (int t = 0; t < taps; t++, a += row) {
    const float *x = a;
    for (int k = 0; k < inner; k++, x++, weight += 4 * vectors) {
      v128_t w[2];
      UNROLL for (int v = 0; v < vectors; v++) w[v] = wasm_v128_load(weight + 4 * v);
      UNROLL for (int m = 0; m < rows; m++) {
        v128_t value = wasm_v128_load32_splat(x + m * step);
        UNROLL for (int v = 0; v < vectors; v++) sums[m][v] = MULTIPLY_ADD(value, w[v], sums[m][v]);
      }
    }
  }
  UNROLL for (int m = 0; m < rows; m++)
    UNROLL for (int v = 0; v < vectors; v++) wasm_v128_store(out + m * out_step + 4 * v, sums[m][v]);
}

INLINE void multiply_panel(const int vectors, const float *a, int step, int row, int taps, int inner,
                           const float *weight, const float *start, int start_step, float *out, int out_step,
                           int count) {
  int m = 0;
  for (; m + ROWS <= count; m += ROWS)
    multiply_tile(ROWS, vectors, a + m * step, step, row, taps, inner, weight, start + m * start_step, start_step,
                  out + m * out_step, out_step);
  for (; m < count; m++)
    multiply_tile(1, vectors, a + m * step, step, row, taps, inner, weight, start + m * start_step, start_step,
                  out + m * out_step, out_step);
}

// Rows of `start`, which the product is added to, are `start_step` apart: 0 for biases.
EXPORT("multiply")
void multiply(const float *a, int step, int row, int taps, int inner, const float *weight, const float *start,
              int start_step, float *out, int out_step, int count, int columns) {
  for (int panel = 0; panel < columns; panel += 8, weight += 8 * taps * inner) {
    if (columns - panel >= 8)
      multiply_panel(2, a, step, row, taps, inner, weight, start + panel, start_step, out + panel, out_step, count);
    else
      multiply_panel(1, a, step, row, taps, inner, weight, start + panel, start_step, out + panel, out_step, count);
  }
}

EXPORT("pack")
void pack(const float *x, int row, int column, int rows, int columns, float *out) {
  for (int panel = 0; panel < columns; panel += 8) {
    int count = columns - panel < 8 ? columns - panel : 8, width = count > 4 ? 8 : 4;
    for (int k = 0; k < rows; k++, out += width) {
      const float *from = x + k * row + panel * column;
      for (int n = 0; n < width; n++) out[n] = n < count ? from[n * column] : 0;
    }
  }
}

// e^x by 2^n times a polynomial of degree 6 on [-ln 2 / 2, ln 2 / 2]; x in [-87, 87].
INLINE v128_t exponential(v128_t x) {
  x = wasm_f32x4_pmax(wasm_f32x4_splat(-87), wasm_f32x4_pmin(wasm_f32x4_splat(87), x));
  v128_t n = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_splat(1.44269504f)));
  v128_t r = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_splat(0.693359375f))); // ln 2 in two parts
  r = wasm_f32x4_sub(r, wasm_f32x4_mul(n, wasm_f32x4_splat(-2.12194440e-4f)));
  const float terms[] = {1 / 120.f, 1 / 24.f, 1 / 6.f, .5f, 1, 1};
  v128_t sum = wasm_f32x4_splat(1 / 720.f);
  UNROLL for (int i = 0; i < 6; i++) sum = wasm_f32x4_add(wasm_f32x4_mul(sum, r), wasm_f32x4_splat(terms[i]));
  v128_t power = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_splat(127)), 23);
  return wasm_f32x4_mul(sum, power);
}

EXPORT("normalise")
void normalise(const float *x, float *out, int places, int lanes, const float *factor, const float *shift, int silu) {
  v128_t one = wasm_f32x4_splat(1);
  for (int p = 0; p < places; p++, x += lanes, out += lanes)
    for (int c = 0; c < lanes; c += 4) {
      v128_t y = wasm_f32x4_mul(wasm_v128_load(x + c), wasm_v128_load(factor + c));
      y = wasm_f32x4_add(y, wasm_v128_load(shift + c));
      if (silu) y = wasm_f32x4_div(y, wasm_f32x4_add(one, exponential(wasm_f32x4_neg(y))));
      wasm_v128_store(out + c, y);
    }
}

EXPORT("measure")
void measure(const float *x, int places, int lanes, float *sums, float *squares) {
  for (int c = 0; c < lanes; c += 4) {
    v128_t first = wasm_v128_load(x + c), sum = wasm_f32x4_splat(0), square = sum;
    for (int p = 0; p < places; p++) {
      v128_t difference = wasm_f32x4_sub(wasm_v128_load(x + p * lanes + c), first);
      sum = wasm_f32x4_add(sum, difference);
      square = wasm_f32x4_add(square, wasm_f32x4_mul(difference, difference));
    }
    wasm_v128_store(sums + c, sum);
    wasm_v128_store(squares + c, square);
  }
}

EXPORT("add")
void add(float *out, const float *x, int count) {
  for (int i = 0; i < count; i += 4)
    wasm_v128_store(out + i, wasm_f32x4_add(wasm_v128_load(out + i), wasm_v128_load(x + i)));
}

EXPORT("adam")
void adam(float *weight, const float *gradient, float *mean, float *square, int count, float rate, float root,
          float shrink, float decay) {
  const v128_t keep = wasm_f32x4_splat(.1f), square_keep = wasm_f32x4_splat(.001f);
  for (int i = 0; i < count; i += 4) {
    v128_t w = wasm_f32x4_mul(wasm_v128_load(weight + i), wasm_f32x4_splat(shrink));
    v128_t g = wasm_f32x4_add(wasm_v128_load(gradient + i), wasm_f32x4_mul(w, wasm_f32x4_splat(decay)));
    v128_t m = wasm_v128_load(mean + i), v = wasm_v128_load(square + i);
    m = wasm_f32x4_add(m, wasm_f32x4_mul(keep, wasm_f32x4_sub(g, m)));
    v = wasm_f32x4_add(v, wasm_f32x4_mul(square_keep, wasm_f32x4_sub(wasm_f32x4_mul(g, g), v)));
    v128_t deviation = wasm_f32x4_div(wasm_f32x4_sqrt(v), wasm_f32x4_splat(root));
    v128_t step = wasm_f32x4_div(m, wasm_f32x4_add(deviation, wasm_f32x4_splat(1e-8f)));
    wasm_v128_store(weight + i, wasm_f32x4_sub(w, wasm_f32x4_mul(wasm_f32x4_splat(rate), step)));
    wasm_v128_store(mean + i, m);
    wasm_v128_store(square + i, v);
  }
}

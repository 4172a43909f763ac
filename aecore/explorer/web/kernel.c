// The inner loops of a network on grids (grid_program.js), on the floats of a memory that JavaScript gives.
// `python scripts/build_kernel.py` compiles them into kernel_code.js. kernel.js does the same in plain JavaScript, and
// says what each function computes. Rows of channels are multiples of 4 floats.

#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("unroll")
#define ROWS 4 // of a tile: with two vectors each, its sums stay in registers

// `rows` rows of the product, 4 `vectors` columns each.
INLINE void multiply_tile(const int rows, const int vectors, const float *a, int step, int row, int taps, int inner,
                          const float *weight, const float *bias, float *out, int out_step) {
  v128_t sums[ROWS][2];
  UNROLL for (int m = 0; m < rows; m++)
    UNROLL for (int v = 0; v < vectors; v++) sums[m][v] = wasm_v128_load(bias + 4 * v);
  for (int t = 0; t < taps; t++, a += row) {
    const float *x = a;
    for (int k = 0; k < inner; k++, x++, weight += 4 * vectors) {
      v128_t w[2];
      UNROLL for (int v = 0; v < vectors; v++) w[v] = wasm_v128_load(weight + 4 * v);
      UNROLL for (int m = 0; m < rows; m++) {
        v128_t value = wasm_v128_load32_splat(x + m * step);
        UNROLL for (int v = 0; v < vectors; v++)
          sums[m][v] = wasm_f32x4_add(sums[m][v], wasm_f32x4_mul(value, w[v]));
      }
    }
  }
  UNROLL for (int m = 0; m < rows; m++)
    UNROLL for (int v = 0; v < vectors; v++) wasm_v128_store(out + m * out_step + 4 * v, sums[m][v]);
}

INLINE void multiply_panel(const int vectors, const float *a, int step, int row, int taps, int inner,
                           const float *weight, const float *bias, float *out, int out_step, int count) {
  int m = 0;
  for (; m + ROWS <= count; m += ROWS)
    multiply_tile(ROWS, vectors, a + m * step, step, row, taps, inner, weight, bias, out + m * out_step, out_step);
  for (; m < count; m++)
    multiply_tile(1, vectors, a + m * step, step, row, taps, inner, weight, bias, out + m * out_step, out_step);
}

EXPORT("multiply")
void multiply(const float *a, int step, int row, int taps, int inner, const float *weight, const float *bias, float *out,
              int out_step, int count, int columns) {
  for (int panel = 0; panel < columns; panel += 8, weight += 8 * taps * inner) {
    if (columns - panel >= 8)
      multiply_panel(2, a, step, row, taps, inner, weight, bias + panel, out + panel, out_step, count);
    else
      multiply_panel(1, a, step, row, taps, inner, weight, bias + panel, out + panel, out_step, count);
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

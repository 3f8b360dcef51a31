// What the kernels share: a tile of 8×16 pixels with the ring around it in shared memory, LayerNorm, depthwise
// neighbours, GELU, products against weights in shared memory.
//
// C channels are rounded up to C8, a multiple of 8, with zeros. A pixel in shared memory takes CP numbers: CP/8 is odd,
// so that eight pixels' rows of an 8×8 matrix lie in different banks.
#pragma once
#include "device.cuh"

DEVICE constexpr int odd_eighths(int n) { return n / 8 % 2 ? n : n + 8; }

constexpr int C8 = (C + 7) / 8 * 8;
constexpr int CP = odd_eighths(C8);
constexpr int HALO_W = TILE_W + 2, HALO = (TILE_H + 2) * HALO_W, TILE = TILE_H * TILE_W;

// A thread's place. A warp's 32 lanes are counted as 4·g + t, as the matrix instructions do (`multiply16` has the
// tables): of the left side and of the result a lane has the rows g and g + 8, of the right side the column g; along
// the other axis it has pairs of neighbours, the t-th and, of 16, the t-th of the second half.
struct Lane {
    int thread, warp, lane, g, t;
    DEVICE Lane(int thread) : thread(thread), warp(thread / 32), lane(thread % 32), g(lane / 4), t(lane % 4) {}
};

// What a kernel is told of a map: the rows that it makes, and the map's size.
struct Extent {
    int start, stop, height, width;
};

// max(x, 0) − |x|·Q(|x|), Q the normal distribution's upper tail, log2 Q as a polynomial: `gelu` of the Triton kernels
// explains it. In fp16 by pairs: what rounding adds stays below that of a sum's result.
DEVICE float gelu(float x) {
    float a = x < 0 ? -x : x;
    float q = -0.00047329400f * a + 0.00708446093f;
    q = q * a - 0.05182716623f;
    q = q * a - 0.45999264717f;
    q = q * a - 1.15078771114f;
    q = q * a - 1.00003767014f;
    return (x < 0 ? 0 : x) - a * exp2_of(q);
}
#ifdef FDAT_BF16
DEVICE u32 gelu(u32 x) { return pair(gelu(low(x)), gelu(high(x))); }
#else
DEVICE u32 gelu(u32 x) {
    u32 a = x & 0x7fff7fffu;
    u32 q = multiply_add(a, pair(-0.00047329400f, -0.00047329400f), pair(0.00708446093f, 0.00708446093f));
    q = multiply_add(q, a, pair(-0.05182716623f, -0.05182716623f));
    q = multiply_add(q, a, pair(-0.45999264717f, -0.45999264717f));
    q = multiply_add(q, a, pair(-1.15078771114f, -1.15078771114f));
    q = multiply_add(q, a, pair(-1.00003767014f, -1.00003767014f));
    return multiply_add(a ^ 0x80008000u, exp2_pair(q), larger(x, 0u));
}
#endif

// Eight channels of a pixel [C], zeros beyond the last.
DEVICE Vector load_channels(const u16* pixel, int c) {
    Vector v = {};
    if (C % 8 == 0) {
        if (c < C) v = *(const Vector*)(pixel + c);
    } else if (C % 4) {
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (c + i < C) v.part[i / 2] |= (u32)pixel[c + i] << i % 2 * 16;
    } else {
        HalfVector lower = {}, upper = {};
        if (c < C) lower = *(const HalfVector*)(pixel + c);
        if (c + 4 < C) upper = *(const HalfVector*)(pixel + c + 4);
        v.part[0] = lower.part[0], v.part[1] = lower.part[1], v.part[2] = upper.part[0], v.part[3] = upper.part[1];
    }
    return v;
}
DEVICE void store_channels(u16* pixel, int c, const Vector& v) {
    if (C % 8 == 0) {
        if (c < C) *(Vector*)(pixel + c) = v;
    } else {
        if (c < C) *(HalfVector*)(pixel + c) = {v.part[0], v.part[1]};
        if (c + 4 < C) *(HalfVector*)(pixel + c + 4) = {v.part[2], v.part[3]};
    }
}

#ifdef EPSILON  // convolutions normalise nothing
// LayerNorm of COUNT pixels into shared memory [COUNT, CP], zeros where `address` gives none; weight and bias [C8].
// Eight lanes share a pixel, AHEAD of them are loaded before the first is used. Sums and squares in one pass: of 16-bit
// numbers fp32 sums lose nothing that the numbers had.
template <int THREADS, int COUNT, int AHEAD, typename Address>
DEVICE void normalise(u16* n, const u16* weight, const u16* bias, int thread, Address address) {
    constexpr int STEP = THREADS / 8, VECTORS = (C8 + 63) / 64;
    const int c = thread % 8 * 8;
    Vector w[VECTORS] = {}, b[VECTORS] = {};
#pragma unroll
    for (int k = 0; k < VECTORS; k++)
        if (c + k * 64 < C8) w[k] = *(const Vector*)(weight + c + k * 64), b[k] = *(const Vector*)(bias + c + k * 64);
#pragma unroll 1
    for (int first = thread / 8; first < (COUNT + STEP - 1) / STEP * STEP; first += AHEAD * STEP) {
        Vector v[AHEAD][VECTORS];
        bool exists[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            const u16* pixel = first + i * STEP < COUNT ? address(first + i * STEP) : nullptr;
            exists[i] = pixel != nullptr;
#pragma unroll
            for (int k = 0; k < VECTORS; k++) {
                v[i][k] = {};
                if (pixel) v[i][k] = load_channels(pixel, c + k * 64);
            }
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            float sum = 0, squares = 0;
#pragma unroll
            for (int k = 0; k < VECTORS; k++)
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    const float even = low(v[i][k].part[j]), odd = high(v[i][k].part[j]);
                    sum += even + odd;
                    squares += even * even;
                    squares += odd * odd;
                }
#pragma unroll
            for (int mask = 1; mask < 8; mask *= 2) sum += from_lane(sum, mask), squares += from_lane(squares, mask);
            const float mean = sum * (1.0f / C), variance = squares * (1.0f / C) - mean * mean;
            const float scale =
                inverse_root(larger(variance, 0.0f) + float(EPSILON));  // rounding may leave less than 0
            const float offset = -mean * scale;
            const int p = first + i * STEP;
#pragma unroll
            for (int k = 0; k < VECTORS; k++) {
                Vector result = {};
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    const u32 level =
                        pair(low(v[i][k].part[j]) * scale + offset, high(v[i][k].part[j]) * scale + offset);
                    if (exists[i]) result.part[j] = multiply_add(level, w[k].part[j], b[k].part[j]);
                }
                if (c + k * 64 < C8 && p < COUNT) *(Vector*)(n + p * CP + c + k * 64) = result;
            }
        }
    }
}

// The tile's pixels and the ring around them, normalised: [HALO, CP]; zeros outside of the map.
template <int THREADS, int AHEAD>
DEVICE void normalise_halo(u16* n, const u16* x, const u16* weight, const u16* bias, const Extent& extent, int top,
                           int left, int thread) {
    normalise<THREADS, HALO, AHEAD>(n, weight, bias, thread, [&](int p) -> const u16* {
        const int row = top - 1 + p / HALO_W, column = left - 1 + p % HALO_W;
        const bool inside = row >= 0 && row < extent.height && column >= 0 && column < extent.width;
        return inside ? x + ((long long)row * extent.width + column) * C : nullptr;
    });
}
#endif

// [rows, columns] from global to shared memory, ahead; columns a multiple of 8, rows `stride` apart there.
template <int THREADS>
DEVICE void copy_matrix(u16* to, const u16* from, int rows, int columns, int stride, int thread) {
    const int vectors = columns / 8;
    const u32 first = place(to);
    for (int i = thread; i < rows * vectors; i += THREADS)
        copy_ahead(first + (i / vectors * stride + i % vectors * 8) * 2, from + i * 8);
}

// d[m][n] += a[m]·wᵀ over K terms: 16-row tiles of shared memory by 8-column tiles of w [columns, K], rows STRIDE
// apart. a[m] is the place of this lane's row (lane % 16) and eighth (lane / 16) of tile m.
template <int K, int STRIDE, int MT, int NT, typename Sum, int N>
DEVICE void multiply(Sum (&d)[MT][NT][N], const u32 (&a)[MT], u32 w, int lane) {
    const u32 two = w + ((lane % 8 + lane / 16 * 8) * STRIDE + lane / 8 % 2 * 8) * 2;  // column tiles
    const u32 one = w + (lane % 8 * STRIDE + lane / 8 % 2 * 8) * 2;
#pragma unroll
    for (int k = 0; k + 16 <= K; k += 16) {
        u32 left[MT][4];
#pragma unroll
        for (int m = 0; m < MT; m++) load_matrices(left[m], a[m] + k * 2);
#pragma unroll
        for (int n = 0; n < NT; n += 2) {
            u32 right[4];
            load_matrices(right, (n + 1 < NT ? two : one) + (n * 8 * STRIDE + k) * 2);
#pragma unroll
            for (int m = 0; m < MT; m++) {
                multiply16(d[m][n], left[m], right[0], right[1]);
                if (n + 1 < NT) multiply16(d[m][n + 1], left[m], right[2], right[3]);
            }
        }
    }
    if (K % 16) {
        constexpr int k = K / 16 * 16;
        const u32 four = w + lane * STRIDE * 2, last = w + (lane / 8 < NT % 4 ? lane : lane % 8) * STRIDE * 2;
        u32 left[MT][4];
#pragma unroll
        for (int m = 0; m < MT; m++)
            load_matrices(left[m], a[m] + (k - lane / 16 * 8) * 2);  // its upper half is not used
#pragma unroll
        for (int n = 0; n < NT; n += 4) {
            u32 right[4];
            load_matrices(right, (n + 3 < NT ? four : last) + (n * 8 * STRIDE + k) * 2);
#pragma unroll
            for (int m = 0; m < MT; m++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    if (n + i < NT) multiply8(d[m][n + i], left[m][0], left[m][1], right[i]);
        }
    }
}

// Sums of which a rounded result is all that is wanted: in fp16, where they have room in it.
#ifdef FDAT_BF16
typedef float Sums[4];
DEVICE void begin(Sums& d, float even, float odd) { d[0] = even, d[1] = odd, d[2] = even, d[3] = odd; }
#else
typedef u32 Sums[2];
DEVICE void begin(Sums& d, float even, float odd) { d[0] = pair(even, odd), d[1] = d[0]; }
#endif

// A result tile's pair of row g or of row g + 8.
DEVICE u32 rounded(const float (&d)[4], int lower) { return pair(d[lower * 2], d[lower * 2 + 1]); }
DEVICE u32 rounded(const u32 (&d)[2], int lower) { return d[lower]; }

// Result tiles as the left side of the next product: columns 16·k … 16·k + 15 of d.
template <int NT, typename Sum, int N>
DEVICE void as_left(u32 (&left)[4], const Sum (&d)[NT][N], int k) {
#pragma unroll
    for (int i = 0; i < 4; i++) left[i] = rounded(d[2 * k + i / 2], i % 2);
}

// Depthwise 3×3 at ROWS pixels below each other, two channels: `at` is the upper left neighbour of the topmost in
// shared memory, pixels `stride` apart. Two channels' taps take TAPS pairs: nine, column by column, and three that fill
// up three vectors.
template <int ROWS>
DEVICE void depthwise(u32 (&sum)[ROWS], const u16* at, int stride, const u32* taps) {
    u32 tap[TAPS];
#pragma unroll
    for (int i = 0; i < TAPS; i += 4) {
        const Vector v = *(const Vector*)(taps + i);
#pragma unroll
        for (int k = 0; k < 4; k++) tap[i + k] = v.part[k];
    }
#pragma unroll
    for (int o = 0; o < ROWS; o++) sum[o] = 0;
#pragma unroll
    for (int dx = 0; dx < 3; dx++)
#pragma unroll
        for (int r = 0; r < ROWS + 2; r++) {
            const u32 value = *(const u32*)(at + (r * HALO_W + dx) * stride);
#pragma unroll
            for (int dy = 0; dy < 3; dy++)
                if (r - dy >= 0 && r - dy < ROWS) sum[r - dy] = multiply_add(value, tap[dx * 3 + dy], sum[r - dy]);
        }
}

// Sums of the numbers of two vectors, whole or half.
template <typename Numbers>
DEVICE Numbers sum_of(const Numbers& a, const Numbers& b) {
    Numbers sum;
#pragma unroll
    for (int k = 0; k < (int)sizeof(Numbers) / 4; k++)
        sum.part[k] = pair(low(a.part[k]) + low(b.part[k]), high(a.part[k]) + high(b.part[k]));
    return sum;
}

// out = x + staged, for the tile's pixels that are asked for; staged [TILE, CP] in shared memory.
template <int THREADS>
DEVICE void store_sum(u16* out, const u16* x, const u16* staged, const Extent& extent, int top, int left, int thread) {
    constexpr int VECTORS = C8 / 8, AHEAD = 4;
    for (int first = thread; first < TILE * VECTORS; first += AHEAD * THREADS) {
        Vector before[AHEAD];
        long long at[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            const int p = (first + i * THREADS) / VECTORS, c = (first + i * THREADS) % VECTORS * 8;
            const int row = top + p / TILE_W, column = left + p % TILE_W;
            const bool wanted = p < TILE && row < extent.stop && column < extent.width;
            at[i] = wanted ? ((long long)row * extent.width + column) * C : -1;
            if (wanted) before[i] = load_channels(x + at[i], c);
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            if (at[i] < 0) continue;
            const int p = (first + i * THREADS) / VECTORS, c = (first + i * THREADS) % VECTORS * 8;
            store_channels(out + at[i], c, sum_of(before[i], *(const Vector*)(staged + p * CP + c)));
        }
    }
}

// out = x + result, by way of the normalised features' place: of each column tile ROWS pixels' pairs, below each other
// from this lane's (row, column).
template <int THREADS, int NT, int ROWS>
DEVICE void store_result(u16* out, const u16* x, u16* n, const u32 (&result)[NT][ROWS], const Extent& extent, int top,
                         int left, int row, int column, const Lane& own) {
    barrier();  // all are done with their neighbours
#pragma unroll
    for (int j = 0; j < NT; j++)
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            *(u32*)(n + ((row + i) * TILE_W + column) * CP + j * 8 + own.t * 2) = result[j][i];
    barrier();
    store_sum<THREADS>(out, x, n, extent, top, left, own.thread);
}

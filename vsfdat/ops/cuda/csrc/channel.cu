// Channel blocks: the Gram matrix of the normalised features, and the matrix that the attention folds into.
#include "tile.cuh"

constexpr int NT = C8 / 8;
constexpr int MT = 8 / WARPS;  // tiles of 16 pixels a warp: two rows of 8, below each other

// x + a + GELU(depthwise3×3(LN(x)))·sigmoid(a·gate), a = LN(x)·matrixᵀ + shift.
KERNEL(WARPS * 32, BLOCKS_PER_SM)
channel_apply(const u16* x, u16* out, const u16* weight, const u16* bias, const u16* taps, const float* gate,
              const u16* matrix, const float* shift, int start, int stop, int height, int width) {
    constexpr int THREADS = WARPS * 32;
    const Lane own(threadIdx.x);
    const Extent extent = {start, stop, height, width};
    const int top = start + blockIdx.y * TILE_H, left = blockIdx.x * TILE_W;
    u16* n = (u16*)shared_memory;          // [HALO, CP]
    u32* tap = (u32*)(n + HALO * CP);      // [C8 / 2, TAPS]
    u16* w = (u16*)(tap + C8 / 2 * TAPS);  // [C8, CP]
    copy_matrix<THREADS>((u16*)tap, taps, 1, C8 * TAPS, 0, own.thread);
    copy_matrix<THREADS>(w, matrix, C8, C8, CP, own.thread);
    end_copies();
    normalise_halo<THREADS, 6>(n, x, weight, bias, extent, top, left, own.thread);
    await_copies();
    barrier();

    const int r = own.lane % 16, row = own.warp / 2 * MT * 2, column = own.warp % 2 * 8;
    u32 rows[MT];
#pragma unroll
    for (int m = 0; m < MT; m++)
        rows[m] = place(n + ((row + m * 2 + r / 8 + 1) * HALO_W + column + r % 8 + 1) * CP + own.lane / 16 * 8);
    float a[MT][NT][4];
#pragma unroll
    for (int j = 0; j < NT; j++) {
        const float even = shift[j * 8 + own.t * 2], odd = shift[j * 8 + own.t * 2 + 1];
#pragma unroll
        for (int m = 0; m < MT; m++) a[m][j][0] = even, a[m][j][1] = odd, a[m][j][2] = even, a[m][j][3] = odd;
    }
    multiply<C8, CP>(a, rows, place(w), own.lane);
    float opening[MT * 2] = {};
#pragma unroll
    for (int j = 0; j < NT; j++) {
        const float even = gate[j * 8 + own.t * 2], odd = gate[j * 8 + own.t * 2 + 1];
#pragma unroll
        for (int i = 0; i < MT * 2; i++) opening[i] += a[i / 2][j][i % 2 * 2] * even + a[i / 2][j][i % 2 * 2 + 1] * odd;
    }
#pragma unroll
    for (int i = 0; i < MT * 2; i++) {
        for (int mask = 1; mask < 4; mask *= 2) opening[i] += from_lane(opening[i], mask);
        opening[i] = reciprocal(1 + exp2_of(opening[i] * -1.44269504f));
    }
    u32 result[NT][MT * 2];
#pragma unroll
    for (int j = 0; j < NT; j++) {
        const int c = j * 8 + own.t * 2;
        u32 branch[MT * 2];
        depthwise(branch, n + (row * HALO_W + column + own.g) * CP + c, CP, tap + c / 2 * TAPS);
#pragma unroll
        for (int i = 0; i < MT * 2; i++) {
            const u32 bent = gelu(branch[i]);
            const float* sum = a[i / 2][j] + i % 2 * 2;
            result[j][i] = pair(sum[0] + low(bent) * opening[i], sum[1] + high(bent) * opening[i]);
        }
    }
    store_result<THREADS>(out, x, n, result, extent, top, left, row, column + own.g, own);
}

// nᵀn and n summed over the pixels of the spans blockIdx.x, + gridDim.x, …, n = LN(x): [blocks, C8, C8], [blocks, C].
// A warp makes 16 rows of the matrix.
constexpr int STRIPES = (C8 + 15) / 16, GRAM_THREADS = STRIPES * 32;

KERNEL(GRAM_THREADS, GRAM_THREADS > 256 ? 1 : 2)
channel_reduce(const u16* x, float* gram, float* sums, const u16* weight, const u16* bias, int start, int stop,
               int height, int width) {
    const Lane own(threadIdx.x);
    u16* n = (u16*)shared_memory;  // [SPAN, CP], and 8 numbers that the last row's tiles may touch
    const long long first = (long long)start * width, last = (long long)stop * width;
    const u32 pixels = place(n + own.lane % 16 * CP), eighth = own.lane / 16 * 16;
    float sum[NT][4] = {}, total = 0;
    for (int i = own.thread; i < 8; i += GRAM_THREADS) n[SPAN * CP + i] = 0;
    for (long long from = first + (long long)blockIdx.x * SPAN; from < last; from += (long long)gridDim.x * SPAN) {
        barrier();  // all are done with the last span
        normalise<GRAM_THREADS, SPAN, 4>(n, weight, bias, own.thread, [&](int p) -> const u16* {
            return from + p < last ? x + (from + p) * C : nullptr;
        });
        barrier();
#pragma unroll 2
        for (int k = 0; k < SPAN; k += 16) {
            // Rows are pixels, so both sides are read transposed; a row tile beyond C8 reads the next pixel's channels,
            // and nobody writes what it makes.
            u32 rows[4], left[4];
            load_transposed(rows, pixels + k * CP * 2 + own.warp * 32 + eighth);
            left[0] = rows[0], left[1] = rows[2], left[2] = rows[1], left[3] = rows[3];
#pragma unroll
            for (int j = 0; j < NT; j += 2) {
                u32 right[4];
                load_transposed(right, pixels + (k * CP + j * 8) * 2 + (j + 1 < NT ? eighth : 0));
                multiply16(sum[j], left, right[0], right[1]);
                if (j + 1 < NT) multiply16(sum[j + 1], left, right[2], right[3]);
            }
        }
        if (own.thread < C8)
            for (int p = 0; p < SPAN; p++) {
                const u32 both = *(const u32*)(n + p * CP + own.thread / 2 * 2);
                total += own.thread % 2 ? high(both) : low(both);
            }
    }
    float* to = gram + (long long)blockIdx.x * C8 * C8;
#pragma unroll
    for (int j = 0; j < NT; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int row = own.warp * 16 + own.g + i / 2 * 8;
            if (row < C8) to[row * C8 + j * 8 + own.t * 2 + i % 2] = sum[j][i];
        }
    if (own.thread < C) sums[blockIdx.x * C + own.thread] = total;
}

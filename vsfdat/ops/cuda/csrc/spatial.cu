// Spatial blocks: window attention beside a depthwise convolution; and the convolution's sums, for the channel gate.
#include "tile.cuh"

constexpr int TOKENS = WINDOW * WINDOW;
constexpr int KP = HEAD_DIM + 8;  // numbers a token takes in shared memory; a head's channels end in zeros
constexpr int WIDE = HEADS * HEAD_DIM, WIDE_P = odd_eighths(WIDE);
constexpr int NT = C8 / 8;
constexpr int MT = 8 / WARPS;                               // tiles of 16 tokens a warp
constexpr int ARENA = 3 * HEAD_DIM * CP + 4 * TOKENS * KP;  // a head's weights, and keys and values of two windows
constexpr int FIT = ARENA / WIDE_P / 16 * 16;               // columns of the projection that fit in their place
constexpr int PART = FIT < C8 ? FIT : C8, PARTS = (C8 + PART - 1) / PART;

// exp(score − the row's largest), and one over the rows' sums; a lane holds parts of rows g and g + 8.
DEVICE void softmax(float (&score)[8][4], float (&inverse)[2]) {
    constexpr float LOG2E = 1.44269504f;
#pragma unroll
    for (int lower = 0; lower < 2; lower++) {
        float most = score[0][lower * 2], total = 0;
#pragma unroll
        for (int j = 0; j < 8; j++) most = larger(most, larger(score[j][lower * 2], score[j][lower * 2 + 1]));
#pragma unroll
        for (int mask = 1; mask < 4; mask *= 2) most = larger(most, from_lane(most, mask));
#pragma unroll
        for (int j = 0; j < 8; j++)
#pragma unroll
            for (int i = lower * 2; i < lower * 2 + 2; i++) {
                score[j][i] = exp2_of(score[j][i] * LOG2E - most * LOG2E);
                total += score[j][i];
            }
#pragma unroll
        for (int mask = 1; mask < 4; mask *= 2) total += from_lane(total, mask);
        inverse[lower] = reciprocal(total);
    }
}

// x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise3×3(LN(x))): two windows a block, a
// head's weights at a time.
KERNEL(WARPS * 32, BLOCKS_PER_SM)
spatial_apply(const u16* x, u16* out, const u16* weight, const u16* bias, const u16* qkv, const float* qkv_bias,
              const Vector* position, const u16* taps, const u16* projection, const float* projection_bias, int start,
              int stop, int height, int width) {
    constexpr int THREADS = WARPS * 32;
    const Lane own(threadIdx.x);
    const Extent extent = {start, stop, height, width};
    const int top = start + blockIdx.y * TILE_H, left = blockIdx.x * TILE_W;
    u16* n = (u16*)shared_memory;              // [HALO, CP]
    u32* tap = (u32*)(n + HALO * CP);          // [C8 / 2, TAPS]
    u16* arena = (u16*)(tap + C8 / 2 * TAPS);  // [96, CP] of weights, then keys and values; later [PART, WIDE_P]
    const int window = own.warp / (WARPS / 2), token = own.warp % (WARPS / 2) * MT * 16;
    u16* key = arena + 3 * HEAD_DIM * CP + window * 2 * TOKENS * KP;  // [TOKENS, KP]
    u16* value = key + TOKENS * KP;

    copy_matrix<THREADS>((u16*)tap, taps, 1, C8 * TAPS, 0, own.thread);
    copy_matrix<THREADS>(arena, qkv, 3 * HEAD_DIM, C8, CP, own.thread);
    end_copies();
    normalise_halo<THREADS, 6>(n, x, weight, bias, extent, top, left, own.thread);

    const int r = own.lane % 16;
    u32 rows[MT];
#pragma unroll
    for (int m = 0; m < MT; m++)
        rows[m] =
            place(n + ((token / 8 + m * 2 + r / 8 + 1) * HALO_W + window * 8 + r % 8 + 1) * CP + own.lane / 16 * 8);
    const u32 keys = place(key + (own.lane % 8 + own.lane / 16 * 8) * KP + own.lane / 8 % 2 * 8);
    const u32 values = place(value + own.lane % 16 * KP + own.lane / 16 * 8);
    u32 attended[MT][HEADS][2][4];
#pragma unroll
    for (int head = 0; head < HEADS; head++) {
        await_copies();
        barrier();  // this head's weights are here, and all are done with the last head's keys and values
        Sums made[MT][12];
#pragma unroll
        for (int j = 0; j < 12; j++) {
            const float even = qkv_bias[head * 96 + j * 8 + own.t * 2],
                        odd = qkv_bias[head * 96 + j * 8 + own.t * 2 + 1];
#pragma unroll
            for (int m = 0; m < MT; m++) begin(made[m][j], even, odd);
        }
        multiply<C8, CP>(made, rows, place(arena), own.lane);
        u32 query[MT][2][4];
#pragma unroll
        for (int m = 0; m < MT; m++) {
            as_left(query[m][0], made[m], 0), as_left(query[m][1], made[m], 1);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const int at = (token + m * 16 + own.g) * KP + j * 8 + own.t * 2;
                *(u32*)(key + at) = rounded(made[m][4 + j], 0);
                *(u32*)(key + at + 8 * KP) = rounded(made[m][4 + j], 1);
                *(u32*)(value + at) = rounded(made[m][8 + j], 0);
                *(u32*)(value + at + 8 * KP) = rounded(made[m][8 + j], 1);
            }
        }
        barrier();  // keys and values are here, and all are done with the weights
        if (head + 1 < HEADS)
            copy_matrix<THREADS>(arena, qkv + (head + 1) * 3 * HEAD_DIM * C8, 3 * HEAD_DIM, C8, CP, own.thread);
        end_copies();

        float score[MT][8][4];
#pragma unroll
        for (int m = 0; m < MT; m++)
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                const Vector table = position[((head * 4 + token / 16 + m) * 4 + j / 2) * 32 + own.lane];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    score[m][j + i / 2][i % 2 * 2] = low(table.part[i]);
                    score[m][j + i / 2][i % 2 * 2 + 1] = high(table.part[i]);
                }
            }
#pragma unroll
        for (int k = 0; k < 2; k++)
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                u32 right[4];
                load_matrices(right, keys + (j * 8 * KP + k * 16) * 2);
#pragma unroll
                for (int m = 0; m < MT; m++) {
                    multiply16(score[m][j], query[m][k], right[0], right[1]);
                    multiply16(score[m][j + 1], query[m][k], right[2], right[3]);
                }
            }
        float inverse[MT][2];
#pragma unroll
        for (int m = 0; m < MT; m++) softmax(score[m], inverse[m]);

        float mixed[MT][4][4] = {};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            u32 share[MT][4];
#pragma unroll
            for (int m = 0; m < MT; m++) as_left(share[m], score[m], k);
#pragma unroll
            for (int j = 0; j < 4; j += 2) {
                u32 right[4];
                load_transposed(right, values + (k * 16 * KP + j * 8) * 2);
#pragma unroll
                for (int m = 0; m < MT; m++) {
                    multiply16(mixed[m][j], share[m], right[0], right[1]);
                    multiply16(mixed[m][j + 1], share[m], right[2], right[3]);
                }
            }
        }
#pragma unroll
        for (int m = 0; m < MT; m++) {
#pragma unroll
            for (int j = 0; j < 4; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) mixed[m][j][i] *= inverse[m][i / 2];
            as_left(attended[m][head][0], mixed[m], 0), as_left(attended[m][head][1], mixed[m], 1);
        }
    }

    const int row = token / 8, column = window * 8 + own.g;  // of the uppermost of this lane's pixels
    const u32 two = place(arena + (own.lane % 8 + own.lane / 16 * 8) * WIDE_P + own.lane / 8 % 2 * 8);  // column tiles
    const u32 one = place(arena + own.lane % 8 * WIDE_P + own.lane / 8 % 2 * 8);
    u32 result[NT][MT * 2];
#pragma unroll
    for (int part = 0; part < PARTS; part++) {
        barrier();  // all are done with what lies in the arena
        const int columns = C8 - part * PART < PART ? C8 - part * PART : PART;
        copy_matrix<THREADS>(arena, projection + part * PART * WIDE, columns, WIDE, WIDE_P, own.thread);
        end_copies();
        await_copies();
        barrier();
#pragma unroll
        for (int j = 0; j < PART / 8; j += 2) {
            const int tile = part * (PART / 8) + j;
            if (tile >= NT) break;
            const bool both = tile + 1 < NT && j + 1 < PART / 8;
            float sum[MT][2][4] = {};
            const u32 w = (both ? two : one) + j * 8 * WIDE_P * 2;
#pragma unroll
            for (int k = 0; k < WIDE / 16; k++) {
                u32 right[4];
                load_matrices(right, w + k * 32);
#pragma unroll
                for (int m = 0; m < MT; m++) {
                    multiply16(sum[m][0], attended[m][k / 2][k % 2], right[0], right[1]);
                    if (both) multiply16(sum[m][1], attended[m][k / 2][k % 2], right[2], right[3]);
                }
            }
#pragma unroll
            for (int i = 0; i < 2; i++) {
                if (i == 1 && !both) break;
                const int c = (tile + i) * 8 + own.t * 2;
                u32 branch[MT * 2];
                depthwise(branch, n + (row * HALO_W + column) * CP + c, CP, tap + c / 2 * TAPS);
                const float even = projection_bias[c], odd = projection_bias[c + 1];
#pragma unroll
                for (int y = 0; y < MT * 2; y++) {
                    const u32 bent = gelu(branch[y]);
                    const float* made = sum[y / 2][i] + y % 2 * 2;
                    result[tile + i][y] = pair(made[0] + even + low(bent), made[1] + odd + high(bent));
                }
            }
        }
    }
    store_result<THREADS>(out, x, n, result, extent, top, left, row, column, own);
}

// Sums of GELU(depthwise3×3(LN(x))) over the tiles blockIdx.x, + gridDim.x, …: [blocks, C]. A warp walks down half
// a tile's columns.
KERNEL(REDUCE_THREADS, 3)
spatial_reduce(const u16* x, float* sums, const u16* weight, const u16* bias, const u16* taps, int start, int stop,
               int height, int width) {
    const Lane own(threadIdx.x);
    const Extent extent = {start, stop, height, width};
    u16* n = (u16*)shared_memory;                 // [HALO, CP]
    u32* tap = (u32*)(n + HALO * CP);             // [C8 / 2, TAPS]
    float* half = (float*)(tap + C8 / 2 * TAPS);  // [2, C8]
    copy_matrix<REDUCE_THREADS>((u16*)tap, taps, 1, C8 * TAPS, 0, own.thread);
    end_copies();
    await_copies();
    constexpr int OWN = (NT + 3) / 4;  // column tiles a warp: own.warp / 2, + 4, …
    float total[OWN][2] = {};
    const int across = (width + TILE_W - 1) / TILE_W, tiles = across * ((stop - start + TILE_H - 1) / TILE_H);
    for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const int top = start + tile / across * TILE_H, left = tile % across * TILE_W;
        barrier();  // all are done with the last tile
        normalise_halo<REDUCE_THREADS, 3>(n, x, weight, bias, extent, top, left, own.thread);
        barrier();
        const int column = own.warp % 2 * 8 + own.g;
        if (left + column >= width) continue;
#pragma unroll
        for (int k = 0; k < OWN; k++) {
            const int c = (own.warp / 2 + k * 4) * 8 + own.t * 2;
            if (c >= C8) break;
#pragma unroll
            for (int part = 0; part < TILE_H; part += 4) {
                u32 branch[4];
                depthwise(branch, n + (part * HALO_W + column) * CP + c, CP, tap + c / 2 * TAPS);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const u32 bent = gelu(branch[i]);
                    if (top + part + i < stop) total[k][0] += low(bent), total[k][1] += high(bent);
                }
            }
        }
    }
#pragma unroll
    for (int k = 0; k < OWN; k++) {
        const int c = (own.warp / 2 + k * 4) * 8 + own.t * 2;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            for (int mask = 4; mask < 32; mask *= 2) total[k][i] += from_lane(total[k][i], mask);
            if (own.g == 0 && c < C8) half[own.warp % 2 * C8 + c + i] = total[k][i];
        }
    }
    barrier();
    for (int c = own.thread; c < C; c += REDUCE_THREADS) sums[blockIdx.x * C + c] = half[c] + half[C8 + c];
}

// Spatial blocks: window attention beside a depthwise convolution; and the convolution's sums, for the channel gate.
#include "tile.cuh"

constexpr int THREADS = 256, WINDOW = 8, TOKENS = WINDOW * WINDOW;
constexpr int HEAD = 32;                      // a head's channels, padded with zeros
constexpr int KP = HEAD + 8;                  // numbers a token takes in shared memory
constexpr int WIDE = HEADS * HEAD, WIDE_P = odd_eighths(WIDE);
constexpr int NT = C8 / 8;
constexpr int ARENA = 3 * HEAD * CP + 4 * TOKENS * KP;       // a head's weights, and keys and values of two windows
constexpr int FIT = ARENA / WIDE_P / 16 * 16;                // columns of the projection that fit in their place
constexpr int PART = FIT < C8 ? FIT : C8, PARTS = (C8 + PART - 1) / PART;

// x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise3×3(LN(x))): two windows a program, 16
// tokens a warp; a head's weights at a time.
KERNEL(THREADS, PROGRAMS) spatial_apply(const u16* x, u16* out, const u16* weight, const u16* bias, const u16* qkv,
                                        const float* qkv_bias, const Vector* position, const u16* taps, const u16* projection,
                                        const float* projection_bias, int start, int stop, int height, int width) {
    const Lane own(threadIdx.x);
    const Frame frame = {start, stop, height, width};
    const int top = start + blockIdx.y * TILE_H, left = blockIdx.x * TILE_W;
    u16* n = (u16*)shared_memory;        // [HALO, CP]
    u16* tap = n + HALO * CP;            // [9, C8]
    u16* arena = tap + 9 * C8;           // [96, CP] of weights, then keys and values; later [PART, WIDE_P]
    const int window = own.warp / 4, token = own.warp % 4 * 16;
    u16* key = arena + 3 * HEAD * CP + window * 2 * TOKENS * KP;  // [TOKENS, KP]
    u16* value = key + TOKENS * KP;

    copy_matrix<THREADS>(tap, taps, 9, C8, C8, own.thread);
    copy_matrix<THREADS>(arena, qkv, 3 * HEAD, C8, CP, own.thread);
    end_copies();
    normalise_halo<THREADS, 6>(n, x, weight, bias, frame, top, left, own.thread);

    // This lane's row of the tile of 16 tokens, and its upper left neighbour in the halo.
    const int r = own.lane % 16;
    const u16* const rows[1] = {n + ((token / 8 + r / 8 + 1) * HALO_W + window * 8 + r % 8 + 1) * CP + own.lane / 16 * 8};
    u32 attended[HEADS][2][4];
#pragma unroll
    for (int head = 0; head < HEADS; head++) {
        await_copies<0>();
        barrier();  // this head's weights are here, and all are done with the last head's keys and values
        float made[1][12][4];
#pragma unroll
        for (int j = 0; j < 12; j++) {
            const float even = qkv_bias[head * 96 + j * 8 + own.t * 2], odd = qkv_bias[head * 96 + j * 8 + own.t * 2 + 1];
            made[0][j][0] = even, made[0][j][1] = odd, made[0][j][2] = even, made[0][j][3] = odd;
        }
        multiply<1, 12, C8>(made, rows, arena, CP, own.lane);
        u32 query[2][4];
        as_left(query[0], made[0], 0), as_left(query[1], made[0], 1);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int at = (token + own.g) * KP + j * 8 + own.t * 2;
            *(u32*)(key + at) = pair(made[0][4 + j][0], made[0][4 + j][1]);
            *(u32*)(key + at + 8 * KP) = pair(made[0][4 + j][2], made[0][4 + j][3]);
            *(u32*)(value + at) = pair(made[0][8 + j][0], made[0][8 + j][1]);
            *(u32*)(value + at + 8 * KP) = pair(made[0][8 + j][2], made[0][8 + j][3]);
        }
        barrier();  // keys and values are here, and all are done with the weights
        if (head + 1 < HEADS) copy_matrix<THREADS>(arena, qkv + (head + 1) * 3 * HEAD * C8, 3 * HEAD, C8, CP, own.thread);
        end_copies();

        float score[8][4];
#pragma unroll
        for (int j = 0; j < 8; j += 2) {
            const Vector table = position[((head * 4 + token / 16) * 4 + j / 2) * 32 + own.lane];
#pragma unroll
            for (int i = 0; i < 4; i++)
                score[j + i / 2][i % 2 * 2] = low(table.part[i]), score[j + i / 2][i % 2 * 2 + 1] = high(table.part[i]);
        }
#pragma unroll
        for (int k = 0; k < 2; k++)
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                u32 right[4];
                load_matrices(right, key + (j * 8 + own.lane % 8 + own.lane / 16 * 8) * KP + k * 16 + own.lane / 8 % 2 * 8);
                multiply16(score[j], query[k], right[0], right[1]);
                multiply16(score[j + 1], query[k], right[2], right[3]);
            }
        float most[2] = {score[0][0], score[0][2]}, total[2] = {0, 0};
#pragma unroll
        for (int j = 0; j < 8; j++) {
            most[0] = larger(most[0], larger(score[j][0], score[j][1]));
            most[1] = larger(most[1], larger(score[j][2], score[j][3]));
        }
#pragma unroll
        for (int mask = 1; mask < 4; mask *= 2)
            most[0] = larger(most[0], from_lane(most[0], mask)), most[1] = larger(most[1], from_lane(most[1], mask));
        constexpr float LOG2E = 1.44269504f;
#pragma unroll
        for (int j = 0; j < 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                score[j][i] = exp2_of(score[j][i] * LOG2E - most[i / 2] * LOG2E);
                total[i / 2] += score[j][i];
            }
#pragma unroll
        for (int mask = 1; mask < 4; mask *= 2) total[0] += from_lane(total[0], mask), total[1] += from_lane(total[1], mask);

        float mixed[4][4] = {};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            u32 share[4];
            as_left(share, score, k);
#pragma unroll
            for (int j = 0; j < 4; j += 2) {
                u32 right[4];
                load_transposed(right, value + (k * 16 + own.lane % 16) * KP + j * 8 + own.lane / 16 * 8);
                multiply16(mixed[j], share, right[0], right[1]);
                multiply16(mixed[j + 1], share, right[2], right[3]);
            }
        }
        const float inverse[2] = {reciprocal(total[0]), reciprocal(total[1])};
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) mixed[j][i] *= inverse[i / 2];
        as_left(attended[head][0], mixed, 0), as_left(attended[head][1], mixed, 1);
    }

    const int row = token / 8, column = window * 8 + own.g;  // of the upper of this lane's two pixels
    u32 result[NT][2];
#pragma unroll
    for (int part = 0; part < PARTS; part++) {
        barrier();  // all are done with what lies in the arena
        const int columns = C8 - part * PART < PART ? C8 - part * PART : PART;
        copy_matrix<THREADS>(arena, projection + part * PART * WIDE, columns, WIDE, WIDE_P, own.thread);
        end_copies();
        await_copies<0>();
        barrier();
#pragma unroll
        for (int j = 0; j < PART / 8; j += 2) {
            const int tile = part * (PART / 8) + j;
            if (tile >= NT) break;
            const bool both = tile + 1 < NT && j + 1 < PART / 8;
            float sum[2][4] = {};
            const u16* w = arena + (j * 8 + own.lane % 8 + (both ? own.lane / 16 * 8 : 0)) * WIDE_P + own.lane / 8 % 2 * 8;
#pragma unroll
            for (int k = 0; k < WIDE / 16; k++) {
                u32 right[4];
                load_matrices(right, w + k * 16);
                multiply16(sum[0], attended[k / 2][k % 2], right[0], right[1]);
                if (both) multiply16(sum[1], attended[k / 2][k % 2], right[2], right[3]);
            }
#pragma unroll
            for (int i = 0; i < 2; i++) {
                if (i == 1 && !both) break;
                const int c = (tile + i) * 8 + own.t * 2;
                u32 branch[2];
                depthwise(branch, n + (row * HALO_W + column) * CP + c, CP, tap + c, C8);
                const float even = projection_bias[c], odd = projection_bias[c + 1];
#pragma unroll
                for (int lower = 0; lower < 2; lower++) {
                    const u32 bent = gelu(branch[lower]);
                    result[tile + i][lower] = pair(sum[i][2 * lower] + even + low(bent), sum[i][2 * lower + 1] + odd + high(bent));
                }
            }
        }
    }
    barrier();  // all are done with their neighbours
#pragma unroll
    for (int j = 0; j < NT; j++) {
        u16* to = n + (row * TILE_W + column) * CP + j * 8 + own.t * 2;
        *(u32*)to = result[j][0];
        *(u32*)(to + TILE_W * CP) = result[j][1];
    }
    barrier();
    store_sum<THREADS>(out, x, n, frame, top, left, own.thread);
}

// Sums of GELU(depthwise3×3(LN(x))) over the tiles blockIdx.x, + gridDim.x, …: [programs, C]. A warp walks down half
// a tile's columns.
KERNEL(THREADS, 3) spatial_reduce(const u16* x, float* sums, const u16* weight, const u16* bias, const u16* taps,
                                  int start, int stop, int height, int width) {
    const Lane own(threadIdx.x);
    const Frame frame = {start, stop, height, width};
    u16* n = (u16*)shared_memory;       // [HALO, CP]
    u16* tap = n + HALO * CP;           // [9, C8]
    float* half = (float*)(tap + 9 * C8 + 8 - 9 * C8 % 8);  // [2, C8]
    copy_matrix<THREADS>(tap, taps, 9, C8, C8, own.thread);
    end_copies();
    await_copies<0>();
    constexpr int OWN = (NT + 3) / 4;  // column tiles a warp: own.warp / 2, + 4, …
    float total[OWN][2] = {};
    const int across = (width + TILE_W - 1) / TILE_W, tiles = across * ((stop - start + TILE_H - 1) / TILE_H);
    for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const int top = start + tile / across * TILE_H, left = tile % across * TILE_W;
        barrier();  // all are done with the last tile
        normalise_halo<THREADS, 3>(n, x, weight, bias, frame, top, left, own.thread);
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
                depthwise(branch, n + (part * HALO_W + column) * CP + c, CP, tap + c, C8);
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
    for (int c = own.thread; c < C; c += THREADS) sums[blockIdx.x * C + c] = half[c] + half[C8 + c];
}

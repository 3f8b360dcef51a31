// x + fc2(depthwise3×3(GELU(fc1(LN(x))))): the hidden channels of a tile and its ring, D_STEP at a time, live in shared
// memory alone; x is read and out written once.
#include "tile.cuh"

constexpr int HP = odd_eighths(D_STEP), STEPS = D / D_STEP;  // D padded to a multiple of D_STEP
constexpr int ROWS = (HALO + 15) / 16 * 16;
constexpr int ACROSS = WARPS / 4, NT1 = D_STEP / 8 / ACROSS;  // fc1: 4 warps of 3 row tiles, the columns among the rest
static_assert(D_STEP % 16 == 0 && D_STEP % (8 * ACROSS) == 0 && D % D_STEP == 0, "every warp makes whole tiles");
constexpr int MT2 = 8 / WARPS, NT2 = C8 / 8;  // fc2: row tiles a warp, each two rows of 8 pixels

KERNEL(WARPS * 32, BLOCKS_PER_SM)
ffn(const u16* x, u16* out, const u16* weight, const u16* bias, const u16* fc1, const u16* taps, const u16* fc2,
    int start, int stop, int height, int width) {
    const Lane own(threadIdx.x);
    const Extent extent = {start, stop, height, width};
    const int top = start + blockIdx.y * TILE_H, left = blockIdx.x * TILE_W;
    u16* n = (u16*)shared_memory;         // [ROWS, CP]
    u16* hidden = n + ROWS * CP;          // [ROWS, HP]
    u16* first = hidden + ROWS * HP;      // [D_STEP, CP]
    u16* second = first + D_STEP * CP;    // [C8, HP]
    u32* tap = (u32*)(second + C8 * HP);  // [D_STEP / 2, TAPS]

    copy_matrix<WARPS * 32>(first, fc1, D_STEP, C8, CP, own.thread);
    end_copies();
    normalise_halo<WARPS * 32, 6>(n, x, weight, bias, extent, top, left, own.thread);
    for (int i = own.thread; i < (ROWS - HALO) * CP / 2; i += WARPS * 32) ((u32*)(n + HALO * CP))[i] = 0;

    u32 rows[3];
#pragma unroll
    for (int m = 0; m < 3; m++)
        rows[m] = place(n + ((own.warp % 4 * 3 + m) * 16 + own.lane % 16) * CP + own.lane / 16 * 8);
    const int column = own.warp / 4 * NT1 * 8;  // of fc1's
    const int wx = own.warp % 2 * 8 + own.g, wy = own.warp / 2 * MT2 * 2;
    // Of fc2's part, two column tiles by two eighths of the step; of an odd last one, what is not used too.
    const u32 two = place(second + (own.lane % 8 + own.lane / 16 * 8) * HP + own.lane / 8 % 2 * 8);
    const u32 one = place(second + own.lane % 8 * HP + own.lane / 8 % 2 * 8);
    float sum[MT2][NT2][4] = {};
    for (int step = 0; step < STEPS; step++) {
        await_copies();
        barrier();  // fc1's part is here, and all are done with the last hidden channels and with fc2's part
        copy_matrix<WARPS * 32>(second, fc2 + step * C8 * D_STEP, C8, D_STEP, HP, own.thread);
        copy_matrix<WARPS * 32>((u16*)tap, taps + step * D_STEP * TAPS, 1, D_STEP * TAPS, 0, own.thread);
        end_copies();

        Sums made[3][NT1] = {};
        multiply<C8, CP>(made, rows, place(first + column * CP), own.lane);
#pragma unroll
        for (int m = 0; m < 3; m++)
#pragma unroll
            for (int k = 0; k < NT1; k++) {
                // No bias, and GELU(0) is 0: outside of the map the hidden channels are as the convolution wants them.
                u16* to = hidden + ((own.warp % 4 * 3 + m) * 16 + own.g) * HP + column + k * 8 + own.t * 2;
                *(u32*)to = gelu(rounded(made[m][k], 0));
                *(u32*)(to + 8 * HP) = gelu(rounded(made[m][k], 1));
            }
        await_copies();
        barrier();  // the hidden channels and fc2's part are here, and all are done with fc1's
        if (step + 1 < STEPS)
            copy_matrix<WARPS * 32>(first, fc1 + (step + 1) * D_STEP * C8, D_STEP, C8, CP, own.thread);
        end_copies();

#pragma unroll
        for (int k = 0; k < D_STEP; k += 16) {
            u32 mixed[MT2][4];
#pragma unroll
            for (int half = 0; half < 2; half++) {
                u32 at[2 * MT2] = {};
                const int c = k + half * 8 + own.t * 2;
                depthwise(at, hidden + (wy * HALO_W + wx) * HP + c, HP, tap + c / 2 * TAPS);
#pragma unroll
                for (int m = 0; m < MT2; m++) mixed[m][half * 2] = at[2 * m], mixed[m][half * 2 + 1] = at[2 * m + 1];
            }
#pragma unroll
            for (int j = 0; j < NT2; j += 2) {
                u32 right[4];
                load_matrices(right, (j + 1 < NT2 ? two : one) + (j * 8 * HP + k) * 2);
#pragma unroll
                for (int m = 0; m < MT2; m++) {
                    multiply16(sum[m][j], mixed[m], right[0], right[1]);
                    if (j + 1 < NT2) multiply16(sum[m][j + 1], mixed[m], right[2], right[3]);
                }
            }
        }
    }

    // Nobody reads the normalised features any more: the last barrier came after the last of fc1.
#pragma unroll
    for (int m = 0; m < MT2; m++)
#pragma unroll
        for (int j = 0; j < NT2; j++) {
            u16* to = n + ((wy + 2 * m) * TILE_W + wx) * CP + j * 8 + own.t * 2;
            *(u32*)to = pair(sum[m][j][0], sum[m][j][1]);
            *(u32*)(to + TILE_W * CP) = pair(sum[m][j][2], sum[m][j][3]);
        }
    barrier();
    store_sum<WARPS * 32>(out, x, n, extent, top, left, own.thread);
}

// A full 3×3 convolution as nine products against shifted pixels of one tile; with two STAGES the weights
// of the next tap arrive meanwhile.
#include "tile.cuh"

constexpr int THREADS = WARPS * 32;
constexpr int ACROSS = MADE > 32 ? 2 : 1;                          // warps beside each other
constexpr int NT = ((MADE + 7) / 8 + ACROSS - 1) / ACROSS;         // column tiles a warp
constexpr int COLUMNS = NT * 8 * ACROSS, MT = 8 * ACROSS / WARPS;  // row tiles a warp
constexpr int MP = odd_eighths(COLUMNS);

// conv3×3(x) + bias + residual: x [H, W, C], out and residual [H, W, MADE]; taps [9, COLUMNS, C8].
KERNEL(THREADS, BLOCKS_PER_SM)
conv3x3(const u16* x, u16* out, const u16* residual, const u16* taps, const float* bias, int start, int stop,
        int height, int width) {
    const Lane own(threadIdx.x);
    const int top = start + blockIdx.y * TILE_H, left = blockIdx.x * TILE_W;
    u16* n = (u16*)shared_memory;  // [HALO, CP]
    u16* w = n + HALO * CP;        // [STAGES, COLUMNS, CP]
    for (int i = own.thread; i < HALO * (C8 / 8); i += THREADS) {
        const int p = i / (C8 / 8), c = i % (C8 / 8) * 8;
        const int row = top - 1 + p / HALO_W, column = left - 1 + p % HALO_W;
        const bool inside = row >= 0 && row < height && column >= 0 && column < width;
        const u16* from = inside ? x + ((long long)row * width + column) * C : x;
        if (C % 8 == 0)
            copy_ahead(place(n + p * CP + c), from + (inside ? c : 0), inside);
        else
            *(Vector*)(n + p * CP + c) = inside ? load_channels(from, c) : Vector{};
    }
    copy_matrix<THREADS>(w, taps, COLUMNS, C8, CP, own.thread);
    end_copies();

    // A row tile is 16 pixels beside each other; a warp has MT of them, below each other.
    const int row = own.warp / ACROSS * MT, first = own.warp % ACROSS * NT * 8;
    float sum[MT][NT][4] = {};
#pragma unroll 1
    for (int tap = 0; tap < 9; tap++) {
        if (STAGES == 1 && tap) {
            barrier();  // all are done with the last tap
            copy_matrix<THREADS>(w, taps + tap * COLUMNS * C8, COLUMNS, C8, CP, own.thread);
            end_copies();
        }
        await_copies();
        barrier();  // this tap is here, and of two all are done with the last one's place
        if (STAGES == 2 && tap < 8)
            copy_matrix<THREADS>(w + (tap + 1) % 2 * COLUMNS * CP, taps + (tap + 1) * COLUMNS * C8, COLUMNS, C8, CP,
                                 own.thread);
        end_copies();
        u32 rows[MT];
#pragma unroll
        for (int m = 0; m < MT; m++)
            rows[m] = place(n + ((row + m + tap / 3) * HALO_W + own.lane % 16 + tap % 3) * CP + own.lane / 16 * 8);
        multiply<C8, CP>(sum, rows, place(w + (tap % STAGES * COLUMNS + first) * CP), own.lane);
    }
    barrier();  // all are done with their neighbours
#pragma unroll
    for (int m = 0; m < MT; m++)
#pragma unroll
        for (int j = 0; j < NT; j++) {
            const int c = first + j * 8 + own.t * 2;
            const float even = bias[c], odd = bias[c + 1];
            u16* to = n + ((row + m) * TILE_W + own.g) * MP + c;
            *(u32*)to = pair(sum[m][j][0] + even, sum[m][j][1] + odd);
            *(u32*)(to + 8 * MP) = pair(sum[m][j][2] + even, sum[m][j][3] + odd);
        }
    barrier();
    constexpr int STEP = MADE % 8 == 0 ? 8 : MADE % 4 == 0 ? 4 : 1, SHARES = MADE / STEP;
    for (int i = own.thread; i < TILE * SHARES; i += THREADS) {
        const int p = i / SHARES, c = i % SHARES * STEP, y = top + p / TILE_W, at_x = left + p % TILE_W;
        if (y >= stop || at_x >= width) continue;
        const long long at = ((long long)y * width + at_x) * MADE + c;
        const u16* made = n + p * MP + c;
        if (STEP == 8) {
            Vector v = *(const Vector*)made;
            if (residual) v = sum_of(*(const Vector*)(residual + at), v);
            *(Vector*)(out + at) = v;
        } else if (STEP == 4) {
            HalfVector v = *(const HalfVector*)made;
            if (residual) v = sum_of(*(const HalfVector*)(residual + at), v);
            *(HalfVector*)(out + at) = v;
        } else {
            const float added = residual ? low(residual[at]) : 0;
            out[at] = (u16)pair(low(*made) + added, 0);
        }
    }
}

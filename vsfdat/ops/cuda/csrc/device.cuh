// What the kernels ask of the GPU: pairs of 16-bit numbers, matrix products of a warp, copies that run ahead.
// Compiled by NVRTC without any header; FDAT_EMULATED puts the tests' stand-in for a GPU in its place. Names in
// capitals that no source defines (TILE_H, C, WARPS, …) are what the host compiles with: ../sizes.py and the ops'
// `load_for`.
#pragma once

typedef unsigned short u16;
typedef unsigned int u32;

#ifdef FDAT_EMULATED
#include "emulator.h"
#else

#define DEVICE __device__ __forceinline__
#define KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)

#ifdef FDAT_BF16
#define FDAT_TYPE "bf16"
#else
#define FDAT_TYPE "f16"
#endif

struct alignas(16) Vector {
    u32 part[4];
};
struct alignas(8) HalfVector {
    u32 part[2];
};

extern __shared__ Vector shared_memory[];

DEVICE u32 pair(float low, float high) {
    u32 d;
    asm("cvt.rn." FDAT_TYPE "x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}
#ifdef FDAT_BF16
DEVICE float low(u32 p) { return __uint_as_float(p << 16); }
DEVICE float high(u32 p) { return __uint_as_float(p & 0xffff0000u); }
#else
DEVICE float low(u32 p) {
    float f;
    asm("{.reg .f16 l, h; mov.b32 {l, h}, %1; cvt.f32.f16 %0, l;}" : "=f"(f) : "r"(p));
    return f;
}
DEVICE float high(u32 p) {
    float f;
    asm("{.reg .f16 l, h; mov.b32 {l, h}, %1; cvt.f32.f16 %0, h;}" : "=f"(f) : "r"(p));
    return f;
}
DEVICE u32 exp2_pair(u32 p) {
    u32 d;
    asm("ex2.approx.f16x2 %0, %1;" : "=r"(d) : "r"(p));
    return d;
}
#endif
DEVICE u32 multiply_add(u32 a, u32 b, u32 c) {
    u32 d;
    asm("fma.rn." FDAT_TYPE "x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}
DEVICE u32 larger(u32 a, u32 b) {
    u32 d;
    asm("max.NaN." FDAT_TYPE "x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
}
DEVICE float exp2_of(float x) {
    float d;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(x));
    return d;
}
DEVICE float inverse_root(float x) { return rsqrtf(x); }
DEVICE float reciprocal(float x) { return __fdividef(1.0f, x); }
DEVICE float larger(float a, float b) { return fmaxf(a, b); }
DEVICE float from_lane(float x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }
DEVICE void barrier() { __syncthreads(); }

// Where in shared memory, in bytes: what is added to it costs no instruction.
DEVICE u32 place(const void* p) { return (u32)__cvta_generic_to_shared(p); }

// Four 8×8 matrices of 16-bit numbers; lane l gives the place of row l % 8 of matrix l / 8.
DEVICE void load_matrices(u32 (&d)[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(row)
                 : "memory");
}
DEVICE void load_transposed(u32 (&d)[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(row)
                 : "memory");
}

// d += a·b: [16, 16]·[16, 8]. Lane 4·g + t holds of a: (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8), pairs along
// the row; of b: (2t, g), (2t + 8, g), pairs down the column; of d: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
DEVICE void multiply16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32." FDAT_TYPE "." FDAT_TYPE
        ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#ifndef FDAT_BF16
// Summed in fp16, for half the registers and on GeForce half the time: pairs d: (g, 2t), (g + 8, 2t).
DEVICE void multiply16(u32 (&d)[2], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%0,%1};"
        : "+r"(d[0]), "+r"(d[1])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
DEVICE void multiply8(u32 (&d)[2], u32 a0, u32 a1, u32 b0) {
    asm("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3}, {%4}, {%0,%1};"
        : "+r"(d[0]), "+r"(d[1])
        : "r"(a0), "r"(a1), "r"(b0));
}
#endif
// The same with 8 instead of 16 terms: [16, 8]·[8, 8].
DEVICE void multiply8(float (&d)[4], u32 a0, u32 a1, u32 b0) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32." FDAT_TYPE "." FDAT_TYPE
        ".f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(b0));
}

// 16 bytes from global to shared memory behind the threads' backs, zeros where `exists` is not.
DEVICE void copy_ahead(u32 to, const void* from, bool exists = true) {
    int bytes = exists ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
DEVICE void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Wait until all copies of this thread have arrived.
DEVICE void await_copies() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }

#endif

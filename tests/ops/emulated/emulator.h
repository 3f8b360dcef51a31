// A GPU for the tests: one block after another, its threads as fibers that take turns at every barrier and at every
// operation of a warp. What a thread writes between two barriers the others see in an order that a GPU need not keep:
// this shows wrong arithmetic and wrong indexing, not missing barriers.
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#define DEVICE inline
#define KERNEL(threads, blocks) static void

struct alignas(16) Vector {
    u32 part[4];
};
struct alignas(8) HalfVector {
    u32 part[2];
};
struct Index {
    int x, y;
};

static Index threadIdx, blockIdx, gridDim;
static Vector* shared_memory;

namespace emulator {

// What the 32 lanes of a warp put together, by turns in one of two places: nobody is two operations ahead.
struct Warp {
    struct Meeting {
        int arrived = 0;
        unsigned char given[32][32];
    } meetings[2];
};
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    int operations = 0;
    bool done = false;
};

static std::vector<Fiber> fibers;
static std::vector<Warp> warps;
static ucontext_t scheduler;
static int current, arrived, generation;
static std::function<void()> body;

inline void yield() { swapcontext(&fibers[current].context, &scheduler); }

inline void barrier() {
    const int mine = generation;
    if (++arrived == (int)fibers.size()) arrived = 0, generation++;
    while (generation == mine) yield();
}

// Give this lane's bytes, and get those of the whole warp.
template <typename T>
const T* meet(const T& own) {
    static_assert(sizeof(T) <= 32);
    Fiber& fiber = fibers[current];
    Warp::Meeting& meeting = warps[current / 32].meetings[fiber.operations++ % 2];
    if (meeting.arrived == 32) meeting.arrived = 0;
    std::memcpy((T*)meeting.given + current % 32, &own, sizeof(T));
    meeting.arrived++;
    while (meeting.arrived < 32) yield();
    return (const T*)meeting.given;
}

inline void start() {
    body();
    fibers[current].done = true;
    swapcontext(&fibers[current].context, &scheduler);
}

// What lies behind the shared memory that was asked for: the host reckons it from sizes of its own, and may reckon too
// little. Like all of it, NaN until written.
constexpr int GUARD = 64;

inline void check_guard(const Vector* guard) {
    for (int i = 0; i < GUARD * 4; i++)
        if (guard[i / 4].part[i % 4] != 0xffffffffu) {
            std::fprintf(stderr, "a kernel wrote beyond the shared memory that it was launched with\n");
            std::abort();
        }
}

inline void run(int across, int down, int threads, int shared_bytes, std::function<void()> work) {
    body = std::move(work);
    gridDim = {across, down};
    std::vector<Vector> shared(shared_bytes / 16 + GUARD);
    shared_memory = shared.data();
    fibers.resize(threads);
    for (int y = 0; y < down; y++)
        for (int x = 0; x < across; x++) {
            std::memset(shared.data(), 0xff, shared.size() * 16);  // NaN: what is not written must not be used
            warps.assign(threads / 32, {});
            arrived = 0;
            for (Fiber& fiber : fibers) {
                fiber.stack.resize(1 << 16);
                fiber.operations = 0, fiber.done = false;
                getcontext(&fiber.context);
                fiber.context.uc_stack.ss_sp = fiber.stack.data(), fiber.context.uc_stack.ss_size = fiber.stack.size();
                fiber.context.uc_link = nullptr;
                makecontext(&fiber.context, start, 0);
            }
            for (bool left = true; left;) {
                left = false;
                for (current = 0; current < threads; current++) {
                    if (fibers[current].done) continue;
                    left = true;
                    threadIdx = {current, 0}, blockIdx = {x, y};
                    swapcontext(&scheduler, &fibers[current].context);
                }
            }
            check_guard(&shared[shared_bytes / 16]);
        }
}

template <typename... A, std::size_t... I>
void launch(void (*kernel)(A...), int across, int down, int threads, int shared, void** arguments,
            std::index_sequence<I...>) {
    run(across, down, threads, shared, [=] { kernel(*(A*)arguments[I]...); });
}
template <typename... A>
void launch(void (*kernel)(A...), int across, int down, int threads, int shared, void** arguments) {
    launch(kernel, across, down, threads, shared, arguments, std::index_sequence_for<A...>{});
}

inline float bits(u32 x) {
    float f;
    std::memcpy(&f, &x, 4);
    return f;
}
inline u32 bits(float x) {
    u32 u;
    std::memcpy(&u, &x, 4);
    return u;
}

#ifdef FDAT_BF16
inline float widen(u16 h) { return bits((u32)h << 16); }
inline u16 narrow(float f) {
    if (f != f) return 0x7fff;
    const u32 u = bits(f);
    return (u16)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
#else
inline float widen(u16 h) {
    const u32 exponent = h >> 10 & 31, mantissa = h & 1023;
    const float sign = h & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
    return sign * (exponent ? std::ldexp(1024.0f + mantissa, (int)exponent - 25) : std::ldexp((float)mantissa, -24));
}
inline u16 narrow(float f) {
    const u16 sign = std::signbit(f) ? 0x8000 : 0;
    const float a = std::fabs(f);
    if (f != f) return 0x7fff;
    if (a >= 65520.0f) return sign | 0x7c00;
    if (a < std::ldexp(1.0f, -14)) return sign | (u16)std::nearbyint(std::ldexp(a, 24));
    int exponent;
    const float part = std::frexp(a, &exponent);
    const u32 mantissa = (u32)std::nearbyint(std::ldexp(part, 11));  // 1024 to 2048
    return sign | (u16)(((u32)(exponent + 14) << 10) + mantissa - 1024);
}
#endif

}  // namespace emulator

DEVICE float low(u32 p) { return emulator::widen((u16)p); }
DEVICE float high(u32 p) { return emulator::widen((u16)(p >> 16)); }
DEVICE u32 pair(float low, float high) { return emulator::narrow(low) | (u32)emulator::narrow(high) << 16; }
DEVICE u32 exp2_pair(u32 p) { return pair(std::exp2(low(p)), std::exp2(high(p))); }
DEVICE u32 multiply_add(u32 a, u32 b, u32 c) {
    return pair((float)((double)low(a) * low(b) + low(c)), (float)((double)high(a) * high(b) + high(c)));
}
DEVICE float larger(float a, float b) { return a != a || b != b ? NAN : a > b ? a : b; }
DEVICE u32 larger(u32 a, u32 b) { return pair(larger(low(a), low(b)), larger(high(a), high(b))); }
DEVICE float exp2_of(float x) { return std::exp2(x); }
DEVICE float inverse_root(float x) { return 1 / std::sqrt(x); }
DEVICE float reciprocal(float x) { return 1 / x; }
DEVICE float from_lane(float x, int mask) { return emulator::meet(x)[emulator::current % 32 ^ mask]; }
DEVICE void barrier() { emulator::barrier(); }

DEVICE u32 place(const void* p) { return (u32)((const char*)p - (const char*)shared_memory); }

inline void gather(u32 (&d)[4], u32 place, bool transposed) {
    const u16* const* rows = emulator::meet((const u16*)((const char*)shared_memory + place));
    const int lane = emulator::current % 32, g = lane / 4, t = lane % 4;
    if (place % 16) std::abort();
    for (int i = 0; i < 4; i++)
        d[i] = transposed ? rows[i * 8 + 2 * t][g] | (u32)rows[i * 8 + 2 * t + 1][g] << 16
                          : rows[i * 8 + g][2 * t] | (u32)rows[i * 8 + g][2 * t + 1] << 16;
}
DEVICE void load_matrices(u32 (&d)[4], u32 row) { gather(d, row, false); }
DEVICE void load_transposed(u32 (&d)[4], u32 row) { gather(d, row, true); }

struct Sides {
    u32 a[4], b[2];
};
DEVICE void multiply16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    const Sides* lanes = emulator::meet(Sides{{a[0], a[1], a[2], a[3]}, {b0, b1}});
    const int lane = emulator::current % 32, g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) {
        const int lower = i / 2, column = 2 * t + i % 2;
        float sum = 0;
        for (int half = 0; half < 2; half++)
            for (int k = 0; k < 4; k++) {
                const u32 left = lanes[g * 4 + k].a[half * 2 + lower], right = lanes[column * 4 + k].b[half];
                sum += low(left) * low(right) + high(left) * high(right);
            }
        d[i] += sum;
    }
}
DEVICE void multiply16(u32 (&d)[2], const u32 (&a)[4], u32 b0, u32 b1) {
    float wide[4] = {low(d[0]), high(d[0]), low(d[1]), high(d[1])};
    multiply16(wide, a, b0, b1);
    d[0] = pair(wide[0], wide[1]), d[1] = pair(wide[2], wide[3]);
}
template <typename Sum, int N>
DEVICE void multiply8(Sum (&d)[N], u32 a0, u32 a1, u32 b0) {
    const u32 a[4] = {a0, a1, 0, 0};
    multiply16(d, a, b0, 0);
}

DEVICE void copy_ahead(u32 place, const void* from, bool exists = true) {
    if (place % 16 || (exists && (uintptr_t)from % 16)) std::abort();
    char* to = (char*)shared_memory + place;
    if (exists)
        std::memcpy(to, from, 16);
    else
        std::memset(to, 0, 16);
}
DEVICE void end_copies() {}
DEVICE void await_copies() {}

#define EMULATE(kernel)                                                                                 \
    extern "C" void emulate_##kernel(int across, int down, int threads, int shared, void** arguments) { \
        emulator::launch(kernel, across, down, threads, shared, arguments);                             \
    }

// A thread pool that outlives its calls, and scratch memory that outlives its tasks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace vsfdat {

// Asks for 2 MiB pages where the memory spans any, before it is first touched: a map has more 4 KiB pages than the CPU
// keeps addresses for. Costs a microsecond where the pages are there already.
inline void prefer_huge_pages(void* memory, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr uintptr_t page = 2 << 20;
    const uintptr_t start = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page * page;
    const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) / page * page;
    if (start < end) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

// Memory that a task takes piece by piece and never gives back; the next task on the thread starts over.
// After the first frame no call allocates: page faults of fresh memory once cost more than the arithmetic.
class Scratch {
  public:
    static Scratch& of_this_thread() {
        static thread_local Scratch scratch;
        return scratch;
    }

    // Everything taken since `mark` is free again.
    void reset() {
        if (blocks_.size() > 1) {
            size_t total = 0;
            for (auto& block : blocks_) total += block.size;
            release();
            add(total);
        }
        used_ = 0;
    }

    template <class T>
    T* take(size_t count) {
        const size_t bytes = (count * sizeof(T) + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (blocks_.empty() || used_ + bytes > blocks_.back().size) {
            add(bytes > LEAST_BYTES ? bytes : LEAST_BYTES);
            used_ = 0;
        }
        T* p = reinterpret_cast<T*>(blocks_.back().data + used_);
        used_ += bytes;
        return p;
    }

    template <class T>
    T* take_zeroed(size_t count) {
        T* p = take<T>(count);
        memset(static_cast<void*>(p), 0, count * sizeof(T));
        return p;
    }

    ~Scratch() { release(); }

  private:
    static constexpr size_t ALIGNMENT = 64, LEAST_BYTES = 1 << 20;
    struct Block {
        char* data;
        size_t size;
    };

    void add(size_t size) {
        blocks_.push_back({static_cast<char*>(::operator new(size, std::align_val_t(ALIGNMENT))), size});
        prefer_huge_pages(blocks_.back().data, size);
    }
    void release() {
        for (auto& block : blocks_) ::operator delete(block.data, std::align_val_t(ALIGNMENT));
        blocks_.clear();
    }

    std::vector<Block> blocks_;
    size_t used_ = 0;
};

// Runs numbered tasks on the caller and on workers that wait in between. One call at a time: a second one queues.
class Pool {
  public:
    // Never destroyed: at exit the workers may still be waiting, and nobody could join them in a forked child.
    static Pool& instance() {
        static Pool* pool = new Pool;
        return *pool;
    }

    template <class Task>
    void run(int tasks, int threads, Task&& task) {
        std::lock_guard<std::mutex> one_call(call_);
        auto numbered = [&](int i) {
            Scratch::of_this_thread().reset();
            task(i);
        };
        if (threads > tasks) threads = tasks;
        if (threads <= 1) {
            for (int i = 0; i < tasks; ++i) numbered(i);
            return;
        }
        grow(threads - 1);
        start(tasks, threads - 1, numbered);
        work();
        // On a busy machine a helper may have lost its core: after a while, let it have this one.
        for (int spin = 0; busy_.load(std::memory_order_acquire); ++spin)
            spin < SPINS ? pause() : std::this_thread::yield();
    }

  private:
    static constexpr int SPINS = 2000;  // some 20 µs: the next op of a frame is usually there by then

    static void pause() {
#if defined(__x86_64__) || defined(__i386__)
        _mm_pause();
#else
        std::this_thread::yield();
#endif
    }

    void grow(int workers) {
        while (workers_ < workers) {
            const int index = workers_++;
            std::thread([this, index, seen = generation_.load()]() mutable {
                for (;;) wait(index, seen);
            }).detach();
        }
    }

    void start(int tasks, int helpers, std::function<void(int)> task) {
        task_ = std::move(task);
        tasks_ = tasks;
        next_.store(0, std::memory_order_relaxed);
        busy_.store(workers_, std::memory_order_relaxed);
        helpers_ = helpers;
        {
            std::lock_guard<std::mutex> lock(wake_mutex_);
            generation_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
    }

    void wait(int index, unsigned& seen) {
        for (int spin = 0; spin < SPINS && generation_.load(std::memory_order_acquire) == seen; ++spin) pause();
        if (generation_.load(std::memory_order_acquire) == seen) {
            std::unique_lock<std::mutex> lock(wake_mutex_);
            wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
        }
        seen = generation_.load(std::memory_order_acquire);
        if (index < helpers_) work();
        busy_.fetch_sub(1, std::memory_order_release);
    }

    void work() {
        for (int i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) task_(i);
    }

    std::mutex call_, wake_mutex_;
    std::condition_variable wake_;
    std::atomic<unsigned> generation_{0};
    std::atomic<int> next_{0}, busy_{0};
    std::function<void(int)> task_;
    int tasks_ = 0, workers_ = 0, helpers_ = 0;
};

}  // namespace vsfdat

// Threads that sleep between calls: waking one costs a tenth of starting one.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace vits {

// One pool a process. Nothing runs and nothing spins between calls, so that the threads of torch have the cores.
class Pool {
public:
    // The pool is never destroyed: its sleeping threads end with the process. A forked child gets one of its own,
    // because threads do not live on in it.
    static Pool &instance() {
        static std::atomic<Pool *> current{nullptr};
        Pool *pool = current.load();
        while (pool == nullptr || pool->process_ != getpid()) {
            Pool *fresh = new Pool;
            if (current.compare_exchange_strong(pool, fresh)) return *fresh;
            delete fresh;  // another thread was faster; `pool` is now its pool
        }
        return *pool;
    }

    // Call `work` here and, at the same time, on up to `helpers` other threads; return when all calls have.
    //
    // `work` must not throw, and must take what there is to do from a shared counter: a helper that wakes when all is
    // done is not waited for. While another thread uses the pool, `work` is called here alone.
    template <typename Work>
    void run(unsigned helpers, const Work &work) {
        const std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
        if (helpers == 0 || !turn.owns_lock()) return work();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            while (threads_ < helpers && start_thread()) ++threads_;
            call_ = [](const void *given) { (*static_cast<const Work *>(given))(); };
            work_ = &work;
            wanted_ = helpers;
        }
        if (helpers == 1) wake_.notify_one();
        else wake_.notify_all();
        work();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            wanted_ = 0;  // who wakes from now on goes back to sleep
        }
        wait_for_helpers();
    }

private:
    // The last item of a helper takes less time than sleeping and waking would.
    static constexpr int kGlances = 2000;

    bool start_thread() noexcept {
        // Signals are for the threads of Python.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        bool started = true;
        try {
            std::thread([this] { serve(); }).detach();
        } catch (const std::system_error &) {
            started = false;  // no more threads to be had: the others do it
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return started;
    }

    void serve() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            wake_.wait(lock, [this] { return wanted_ > 0; });
            --wanted_;
            running_.fetch_add(1, std::memory_order_relaxed);
            const auto call = call_;
            const void *work = work_;
            lock.unlock();
            call(work);
            lock.lock();
            if (running_.fetch_sub(1, std::memory_order_release) == 1) done_.notify_one();
        }
    }

    void wait_for_helpers() {
        for (int glance = 0; glance < kGlances; ++glance) {
            if (running_.load(std::memory_order_acquire) == 0) return;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        std::unique_lock<std::mutex> lock(mutex_);
        done_.wait(lock, [this] { return running_.load(std::memory_order_acquire) == 0; });
    }

    const pid_t process_ = getpid();
    std::mutex turn_;   // held by the caller whose work is done
    std::mutex mutex_;  // guards what follows
    std::condition_variable wake_, done_;
    unsigned threads_ = 0;
    unsigned wanted_ = 0;  // helpers that may still begin
    std::atomic<unsigned> running_{0};  // changed under the mutex, read without
    void (*call_)(const void *) = nullptr;
    const void *work_ = nullptr;
};

}  // namespace vits

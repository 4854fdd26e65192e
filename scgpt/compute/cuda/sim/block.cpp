#include "block.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#if !defined(__x86_64__)
#error "the simulated device switches fibers in x86-64 assembly"
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// sim_switch saves the callee-saved registers on the running stack, leaves its
// address in *save and goes on where another stack was left.
asm(R"(
	.text
	.globl sim_switch
	.hidden sim_switch
	.type sim_switch, @function
sim_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.size sim_switch, .-sim_switch
)");
extern "C" void sim_switch(void** save, void* load);

namespace sim {

thread_local Current current;

struct Warp;

struct Thread {
	void* sp;
	char* stack;
	void* fake; // the address sanitizer's stack of this fiber
	Warp* warp;
	unsigned lane;
	Dim index;
	Async copies, products;
};

struct Warp {
	unsigned ready, live;	  // lanes that can run, that have not returned
	unsigned waiting;		  // lanes in barrier
	unsigned arrived, mask;	  // lanes in the collective, and those asked for
	Exchange exchange;
	void* arg[32];
	Thread* threads;
};

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t stackBytes = 512 << 10;
#else
constexpr size_t stackBytes = 128 << 10;
#endif
constexpr size_t sharedBytes = 232448; // the most that a block can have, of any architecture
constexpr size_t sharedGuard = 4096;
constexpr unsigned char sharedPattern = 0xa5;

// Order says in which order the warps of a block run and when asynchronous
// instructions do: what is right must be right in each. TROUPE_SIM_ORDER chooses: "forward" (the
// default), "backward", or a number that seeds a shuffle.
struct Order {
	enum { forward, backward, shuffled } kind = forward;
	unsigned long seed = 0;
	bool eager = false; // asynchronous instructions run when they are issued, not when they are waited for
};

Order order() {
	static const Order o = [] {
		Order o;
		const char* s = getenv("TROUPE_SIM_ORDER");
		if (!s || !*s || !strcmp(s, "forward")) return o;
		if (!strcmp(s, "backward")) {
			o.kind = Order::backward;
			o.eager = true;
			return o;
		}
		o.kind = Order::shuffled;
		o.seed = strtoul(s, nullptr, 10);
		o.eager = o.seed & 1;
		return o;
	}();
	return o;
}

// A Block is what one worker needs to run blocks of any size.
struct Block {
	std::vector<Thread> threads;
	std::vector<Warp> warps;
	std::vector<unsigned> sequence; // of warps
	unsigned liveThreads = 0, inBarrier = 0;
	void* main = nullptr;
	void* mainFake = nullptr;
	const void* mainBottom = nullptr;
	size_t mainSize = 0;
	const Kernel* kernel = nullptr;
	const uint64_t* params = nullptr;
	char* shared = nullptr;
	Fault fault;
};
thread_local Block* block;

[[noreturn]] void fiberMain();

void prepareStack(Thread& t) {
	if (!t.stack) {
		void* p = mmap(nullptr, stackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED) {
			perror("simulated device: a fiber's stack");
			abort();
		}
		t.stack = static_cast<char*>(p);
		// The lowest page catches a kernel whose frame is too large.
		mprotect(t.stack, 4096, PROT_NONE);
	}
#if defined(__SANITIZE_ADDRESS__)
	ASAN_UNPOISON_MEMORY_REGION(t.stack + 4096, stackBytes - 4096);
#endif
	void** top = reinterpret_cast<void**>(t.stack + stackBytes) - 8;
	for (int i = 0; i < 6; i++) top[i] = nullptr;
	top[6] = reinterpret_cast<void*>(&fiberMain);
	top[7] = nullptr;
	t.sp = top;
}

void makeCurrent(Thread& t) {
	current.thread = &t;
	current.threadIdx = t.index;
	current.lane = t.lane;
}

// switchTo leaves the running fiber, for good if dies.
void switchTo(Thread& from, Thread& to, [[maybe_unused]] bool dies = false) {
	makeCurrent(to);
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_start_switch_fiber(dies ? nullptr : &from.fake, to.stack, stackBytes);
#endif
	sim_switch(&from.sp, to.sp);
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_finish_switch_fiber(from.fake, nullptr, nullptr);
#endif
}

[[noreturn]] void toMain(Thread& from) {
	Block& b = *block;
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_start_switch_fiber(nullptr, b.mainBottom, b.mainSize);
#endif
	sim_switch(&from.sp, b.main);
	abort(); // nobody comes back here
}

// next is a thread that can run: of the same warp if there is one, so that a
// warp runs as far ahead of the others as barriers allow.
Thread* next(Warp* w) {
	Block& b = *block;
	auto lane = [](unsigned ready) {
		return order().kind == Order::backward ? 31 - __builtin_clz(ready) : __builtin_ctz(ready);
	};
	if (w && w->ready) return &w->threads[lane(w->ready)];
	for (unsigned i : b.sequence) {
		Warp& other = b.warps[i];
		if (other.ready) return &other.threads[lane(other.ready)];
	}
	return nullptr;
}

void yield(Thread& me, bool dies = false) {
	Thread* t = next(me.warp);
	if (t) return switchTo(me, *t, dies);
	if (block->liveThreads) {
		fault(719, "no thread can go on: %u of %u live threads are in __syncthreads, the others wait for lanes that do not come", block->inBarrier, block->liveThreads);
	}
	toMain(me);
}

void releaseBarrier() {
	Block& b = *block;
	b.inBarrier = 0;
	for (Warp& w : b.warps) {
		w.ready |= w.waiting;
		w.waiting = 0;
	}
}

void completeCollective(Warp& w) {
	void* lanes[32];
	for (unsigned l = 0; l < 32; l++) lanes[l] = w.arrived >> l & 1 ? w.arg[l] : nullptr;
	Exchange f = w.exchange;
	w.ready |= w.arrived;
	w.arrived = 0;
	f(lanes);
}

void fiberMain() {
	Block& b = *block;
#if defined(__SANITIZE_ADDRESS__)
	if (b.mainBottom) {
		__sanitizer_finish_switch_fiber(current.thread->fake, nullptr, nullptr);
	} else {
		__sanitizer_finish_switch_fiber(current.thread->fake, &b.mainBottom, &b.mainSize);
	}
#endif
	b.kernel->call(b.params);
	Thread& me = *current.thread;
	if (!me.copies.idle()) fault(719, "a thread returned with cp.async copies that it never waited for");
	if (!me.products.idle()) fault(719, "a thread returned with wgmma products that it never waited for");
	Warp& w = *me.warp;
	w.live &= ~(1u << me.lane);
	w.ready &= ~(1u << me.lane);
	b.liveThreads--;
	if (w.arrived && w.arrived == (w.mask & w.live)) completeCollective(w);
	if (b.inBarrier && b.inBarrier == b.liveThreads) releaseBarrier();
	yield(me, true);
	abort();
}

void runBlock(Dim index) {
	Block& b = *block;
	Dim dim = current.blockDim;
	unsigned n = unsigned(dim.count());
	if (b.threads.size() < n) b.threads.resize(n);
	b.warps.resize((n + 31) / 32);
	b.sequence.resize(b.warps.size());
	for (unsigned i = 0; i < b.warps.size(); i++) {
		Warp& w = b.warps[i];
		w = Warp{};
		unsigned lanes = std::min(32u, n - 32 * i);
		w.ready = w.live = lanes == 32 ? ~0u : (1u << lanes) - 1;
		w.threads = &b.threads[32 * i];
		b.sequence[i] = order().kind == Order::backward ? unsigned(b.warps.size()) - 1 - i : i;
	}
	if (order().kind == Order::shuffled) {
		std::minstd_rand rng(unsigned(order().seed + index.x * 7919u + index.y * 104729u));
		std::shuffle(b.sequence.begin(), b.sequence.end(), rng);
	}
	for (unsigned i = 0; i < n; i++) {
		Thread& t = b.threads[i];
		t.warp = &b.warps[i / 32];
		t.lane = i % 32;
		t.index = {i % dim.x, i / dim.x % dim.y, i / (dim.x * dim.y)};
		t.copies.clear();
		t.products.clear();
		t.fake = nullptr;
		prepareStack(t);
	}
	b.liveThreads = n;
	b.inBarrier = 0;
	current.blockIdx = index;
	Thread& first = *next(nullptr);
	makeCurrent(first);
#if defined(__SANITIZE_ADDRESS__)
	b.mainBottom = nullptr;
	__sanitizer_start_switch_fiber(&b.mainFake, first.stack, stackBytes);
#endif
	sim_switch(&b.main, first.sp);
#if defined(__SANITIZE_ADDRESS__)
	__sanitizer_finish_switch_fiber(b.mainFake, nullptr, nullptr);
#endif
}

// Workers are threads of the simulation's own, with signals blocked: the host
// program's handlers never run on a fiber's stack.
struct Pool {
	std::mutex mu;
	std::condition_variable wake, done;
	uint64_t generation = 0;
	unsigned busy = 0;
	uint64_t n = 0;
	std::atomic<uint64_t> nextItem{0};
	void (*f)(void*, uint64_t) = nullptr;
	void* arg = nullptr;
	std::vector<std::thread> threads;

	void start() {
		sigset_t all, before;
		sigfillset(&all);
		for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, s);
		pthread_sigmask(SIG_BLOCK, &all, &before);
		unsigned count = std::max(1u, std::min(std::thread::hardware_concurrency(), 8u));
		if (const char* s = getenv("TROUPE_SIM_THREADS")) count = std::max(1, atoi(s));
		for (unsigned i = 0; i < count; i++) threads.emplace_back([this] { work(); });
		pthread_sigmask(SIG_SETMASK, &before, nullptr);
	}

	void work() {
		uint64_t seen = 0;
		std::unique_lock<std::mutex> l(mu);
		for (;;) {
			wake.wait(l, [&] { return generation != seen; });
			seen = generation;
			l.unlock();
			for (uint64_t i; (i = nextItem.fetch_add(1)) < n;) f(arg, i);
			l.lock();
			if (--busy == 0) done.notify_all();
		}
	}

	void run(uint64_t count, void (*fn)(void*, uint64_t), void* a) {
		std::unique_lock<std::mutex> l(mu);
		if (threads.empty()) start();
		n = count;
		f = fn;
		arg = a;
		nextItem = 0;
		busy = unsigned(threads.size());
		generation++;
		wake.notify_all();
		done.wait(l, [&] { return busy == 0; });
	}
};

// Leaked on purpose: its threads live as long as the process.
Pool& pool() {
	static Pool* p = new Pool;
	return *p;
}

std::map<std::string, const Kernel*>& kernels() {
	static std::map<std::string, const Kernel*> k;
	return k;
}

struct Grid {
	const Kernel* kernel;
	const uint64_t* params;
	Dim grid, block;
	size_t dynamicShared;
	std::mutex mu;
	std::atomic<bool> failed{false};
	Fault fault;
};

void runOne(void* arg, uint64_t i) {
	Grid& g = *static_cast<Grid*>(arg);
	if (g.failed) return;
	if (!block) {
		block = new Block;
		block->shared = static_cast<char*>(aligned_alloc(4096, (sharedBytes + sharedGuard + 4095) / 4096 * 4096));
	}
	Block& b = *block;
	b.kernel = g.kernel;
	b.params = g.params;
	b.fault = {};
	current.gridDim = g.grid;
	current.blockDim = g.block;
	// The block's shared memory ends where the guard begins; it holds NaN, for
	// kernels that read what they never wrote.
	size_t size = (g.dynamicShared + 15) / 16 * 16;
	current.dynamicShared = b.shared;
	char* guard = b.shared + size;
#if defined(__SANITIZE_ADDRESS__)
	ASAN_UNPOISON_MEMORY_REGION(b.shared, size);
	ASAN_POISON_MEMORY_REGION(guard, sharedBytes + sharedGuard - size);
#else
	memset(guard, sharedPattern, sharedGuard);
#endif
	memset(b.shared, 0xff, size);
	runBlock({unsigned(i % g.grid.x), unsigned(i / g.grid.x % g.grid.y), unsigned(i / (uint64_t(g.grid.x) * g.grid.y))});
#if !defined(__SANITIZE_ADDRESS__)
	for (size_t k = 0; k < sharedGuard && !b.fault.code; k++) {
		if (static_cast<unsigned char>(guard[k]) != sharedPattern) {
			b.fault = {700, "a write behind the dynamic shared memory of " + std::to_string(g.dynamicShared) + " bytes, at byte " + std::to_string(size + k)};
		}
	}
#endif
	if (b.fault.code) {
		std::lock_guard<std::mutex> l(g.mu);
		if (!g.failed.exchange(true)) g.fault = b.fault;
	}
}

} // namespace

void barrier() {
	Thread& me = *current.thread;
	Block& b = *block;
	if (++b.inBarrier == b.liveThreads) return releaseBarrier();
	me.warp->ready &= ~(1u << me.lane);
	me.warp->waiting |= 1u << me.lane;
	yield(me);
}

void collective(unsigned mask, Exchange exchange, void* mine) {
	Thread& me = *current.thread;
	Warp& w = *me.warp;
	unsigned bit = 1u << me.lane;
	if (!(mask & bit)) fault(719, "lane %u calls a function of the warp with mask %08x, which leaves it out", me.lane, mask);
	if (!w.arrived) {
		w.exchange = exchange;
		w.mask = mask;
	} else if (w.exchange != exchange || w.mask != mask) {
		fault(719, "lanes of one warp are in different functions of the warp, or with different masks (%08x and %08x)", w.mask, mask);
	}
	w.arg[me.lane] = mine;
	w.arrived |= bit;
	if (w.arrived == (w.mask & w.live)) return completeCollective(w);
	w.ready &= ~bit;
	yield(me);
}

void fault(int code, const char* format, ...) {
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	char where[160];
	snprintf(where, sizeof where, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u): ", block->kernel->name, current.blockIdx.x, current.blockIdx.y, current.blockIdx.z,
		current.threadIdx.x, current.threadIdx.y, current.threadIdx.z);
	block->fault = {code, std::string(where) + text};
	toMain(*current.thread);
}

void Async::issue(std::function<void()> f) {
	if (order().eager) f();
	work.push_back(std::move(f));
}

void Async::commit() { groups.push_back(work.size()); }

void Async::wait(unsigned pending) {
	if (groups.size() <= pending) return;
	size_t done = groups.size() - pending, n = groups[done - 1];
	if (!order().eager) {
		for (size_t i = 0; i < n; i++) work[i]();
	}
	work.erase(work.begin(), work.begin() + long(n));
	groups.erase(groups.begin(), groups.begin() + long(done));
	for (size_t& g : groups) g -= n;
}

void Async::clear() {
	work.clear();
	groups.clear();
}

Async& copies() { return current.thread->copies; }
Async& products() { return current.thread->products; }

void copyAsync(void* shared, const void* global, unsigned bytes, unsigned valid) {
	if (bytes != 4 && bytes != 8 && bytes != 16) fault(719, "cp.async of %u bytes", bytes);
	if (valid > bytes) fault(719, "cp.async of %u of %u bytes", valid, bytes);
	if (reinterpret_cast<uintptr_t>(shared) % bytes || reinterpret_cast<uintptr_t>(global) % bytes) {
		fault(716, "cp.async of %u bytes between addresses that are not multiples of it", bytes);
	}
	copies().issue([=] {
		memcpy(shared, global, valid);
		memset(static_cast<char*>(shared) + valid, 0, bytes - valid);
	});
}

void registerKernel(const Kernel* k) {
	if (!kernels().emplace(k->name, k).second) {
		fprintf(stderr, "simulated device: two kernels are named %s\n", k->name);
		abort();
	}
}

const Kernel* findKernel(const std::string& name) {
	auto i = kernels().find(name);
	return i == kernels().end() ? nullptr : i->second;
}

void parallel(uint64_t n, void (*f)(void*, uint64_t), void* arg) { pool().run(n, f, arg); }

Fault runGrid(const Kernel& k, const uint64_t* params, Dim grid, Dim block, size_t dynamicShared) {
	Grid g{&k, params, grid, block, dynamicShared, {}, {}, {}};
	parallel(grid.count(), runOne, &g);
	return g.fault;
}

} // namespace sim

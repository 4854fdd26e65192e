// libcuda: the driver calls that the device makes, on the CPU's memory.
#include "device.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <vector>

#include "block.h"
#include "ptx_module.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#define API extern "C" __attribute__((visibility("default"))) int
#define EXPORT __attribute__((visibility("default")))

namespace sim {
namespace {

// The results of the driver that the simulation gives; cuda.h has them all.
enum : int {
	success = 0,
	invalidValue = 1,
	outOfMemory = 2,
	notInitialized = 3,
	noDevice = 100,
	invalidDevice = 101,
	invalidContext = 201,
	notFound = 500,
	notReady = 600,
	illegalAddress = 700,
	launchFailed = 719,
	notSupported = 801,
};

// A fair lock: a device that runs long kernels does not starve another.
class TicketLock {
	std::mutex mu;
	std::condition_variable turn;
	uint64_t next = 0, serving = 0;

public:
	void lock() {
		std::unique_lock<std::mutex> l(mu);
		uint64_t mine = next++;
		turn.wait(l, [&] { return serving == mine; });
	}
	void unlock() {
		std::lock_guard<std::mutex> l(mu);
		serving++;
		turn.notify_all();
	}
};

TicketLock big; // guards everything below; held while a piece of work runs
using Lock = std::lock_guard<TicketLock>;

struct Stream {
	std::deque<std::function<void()>> work;
	bool blocking = true; // the default stream waits for it
};

struct EventState {
	bool recorded = false, done = true;
	Stream* stream = nullptr;
	std::chrono::steady_clock::time_point at;
};

struct Event {
	std::shared_ptr<EventState> state = std::make_shared<EventState>();
};

struct Function {
	const Kernel* kernel;
	Entry entry;
	size_t dynamicShared = 48 << 10;
};

struct Module {
	std::map<std::string, Entry> entries;
	std::map<std::string, std::unique_ptr<Function>> functions;
};

struct Allocation {
	char* base; // of the guard before it
	size_t bytes;
};

constexpr size_t guardBytes = 512;
constexpr unsigned char guardPattern = 0xb6;

bool initialised = false;
int contexts = 0; // users of the primary context
int lost = 0;
std::map<uintptr_t, Allocation> memory; // by address
std::map<uintptr_t, size_t> pinned;
size_t memoryUsed = 0;
std::set<Stream*> streams;
std::map<std::string, long> open;
std::mutex openCounts; // guards open: libraries count outside of the big lock
Stream defaultStream;

size_t settingMiB(const char* name, size_t otherwise) {
	const char* s = getenv(name);
	return (s && *s ? strtoull(s, nullptr, 10) : otherwise) << 20;
}
size_t memoryTotal() { return settingMiB("TROUPE_SIM_MEMORY", 2048); }

int capability() {
	const char* s = getenv("TROUPE_SIM_SM");
	return s && *s ? atoi(s) : 90;
}

// sharedOptIn is the most shared memory that a block may ask for.
int sharedOptIn() { return capability() >= 90 ? 232448 : capability() >= 80 ? 166912 : 65536; }

// Failures to inject, from TROUPE_SIM_FAIL: "call=code" fails every call of that
// name, "call#n=code" the n-th since the device was opened, "call#m-n=code" the
// m-th to the n-th, several separated by commas; names are without _v2. "kernel#n=code" is an asynchronous failure of
// the n-th launch. "driver=12040" is the version that the driver says it has.
struct Injection {
	long from, to; // which calls
	int code;
};
std::multimap<std::string, Injection> injections;
std::map<std::string, long> calls;
int driverVersion = 13000;

void readInjections() {
	injections.clear();
	calls.clear();
	driverVersion = 13000;
	const char* s = getenv("TROUPE_SIM_FAIL");
	if (!s) return;
	std::stringstream list(s);
	for (std::string item; std::getline(list, item, ',');) {
		size_t equals = item.find('='), hash = item.find('#');
		if (equals == std::string::npos) {
			say("TROUPE_SIM_FAIL: %s is not call=code", item.c_str());
			abort();
		}
		std::string name = item.substr(0, std::min(hash, equals));
		int code = atoi(item.c_str() + equals + 1);
		if (name == "driver") {
			driverVersion = code;
			continue;
		}
		long from = 1, to = LONG_MAX;
		if (hash != std::string::npos && sscanf(item.c_str() + hash, "#%ld-%ld", &from, &to) == 1) to = from;
		injections.emplace(name, Injection{from, to, code});
	}
}

int injected(const char* call) {
	long n = ++calls[call];
	auto range = injections.equal_range(call);
	for (auto i = range.first; i != range.second; i++) {
		if (n >= i->second.from && n <= i->second.to) return i->second.code;
	}
	return 0;
}

// Errors after which a context is of no more use.
bool isSticky(int code) {
	switch (code) {
	case 214: case 220: case 700: case 702: case 714: case 715: case 716: case 717: case 718: case 719: case 720: case 999:
		return true;
	}
	return false;
}

void runOne(Stream& s) {
	auto work = std::move(s.work.front());
	s.work.pop_front();
	if (!lost) work();
}

void drain(Stream& s) {
	while (!s.work.empty()) runOne(s);
}

void drainAll() {
	for (Stream* s : streams) drain(*s);
}

void drainBlocking() {
	for (Stream* s : streams) {
		if (s->blocking) drain(*s);
	}
}

// wait drains a stream like drain, but lets other threads have the device
// between two pieces of work. The lock must not be held.
void wait(Stream* s) {
	for (;;) {
		Lock l(big);
		if (!streams.count(s) || s->work.empty()) return;
		runOne(*s);
	}
}

void waitAll() {
	for (;;) {
		Lock l(big);
		Stream* busy = nullptr;
		for (Stream* s : streams) {
			if (!s->work.empty()) busy = s;
		}
		if (!busy) return;
		runOne(*busy);
	}
}

void push(Stream* s, std::function<void()> work) {
	if (!s) { // the default stream: after all blocking ones, before all others
		drainBlocking();
		if (!lost) work();
		return;
	}
	s->work.push_back(std::move(work));
	if (s->work.size() > 1024) runOne(*s); // a real queue is finite, too
}

const std::pair<const uintptr_t, Allocation>* find(uintptr_t p) {
	auto i = memory.upper_bound(p);
	if (i == memory.begin()) return nullptr;
	--i;
	return p < i->first + i->second.bytes ? &*i : nullptr;
}

bool isOwned(uintptr_t p, size_t n) {
	if (!n) return true;
	auto* a = find(p);
	return a && p + n <= a->first + a->second.bytes;
}

// allocate makes memory with a guard on either side, filled with NaN.
int allocate(unsigned long long* out, size_t bytes) {
	if (!bytes) return invalidValue;
	if (bytes > memoryTotal() - memoryUsed) return outOfMemory;
	size_t rounded = (bytes + 511) / 512 * 512;
	char* base = static_cast<char*>(aligned_alloc(512, guardBytes + rounded + guardBytes));
	if (!base) return outOfMemory;
	char* p = base + guardBytes;
	memset(base, guardPattern, guardBytes);
	memset(p, 0xff, bytes);
	memset(p + bytes, guardPattern, rounded - bytes + guardBytes);
#if defined(__SANITIZE_ADDRESS__)
	ASAN_POISON_MEMORY_REGION(base, guardBytes);
	ASAN_POISON_MEMORY_REGION(p + bytes, rounded - bytes + guardBytes);
#endif
	memory[reinterpret_cast<uintptr_t>(p)] = {base, bytes};
	memoryUsed += bytes;
	opened("device memory");
	*out = reinterpret_cast<uintptr_t>(p);
	return success;
}

// guardsHold checks the guards of one allocation; after says what ran last.
bool guardsHold(uintptr_t address, const Allocation& a, const char* after) {
	static const std::vector<unsigned char> pattern(2 * guardBytes, guardPattern);
	size_t rounded = (a.bytes + 511) / 512 * 512, behind = rounded - a.bytes + guardBytes;
	auto* p = reinterpret_cast<unsigned char*>(address);
#if defined(__SANITIZE_ADDRESS__)
	ASAN_UNPOISON_MEMORY_REGION(a.base, guardBytes + rounded + guardBytes);
#endif
	bool hold = !memcmp(a.base, pattern.data(), guardBytes) && !memcmp(p + a.bytes, pattern.data(), behind);
	if (!hold) {
		long at = -long(guardBytes);
		while ((at >= 0 && at < long(a.bytes)) || p[at] == guardPattern) at++;
		lose(illegalAddress, std::string("after ") + after + ": the guard of an allocation of " + std::to_string(a.bytes) + " bytes is overwritten at byte " + std::to_string(at));
	}
#if defined(__SANITIZE_ADDRESS__)
	ASAN_POISON_MEMORY_REGION(a.base, guardBytes);
	ASAN_POISON_MEMORY_REGION(p + a.bytes, behind);
#endif
	return hold;
}

bool allGuardsHold(const char* after) {
	for (auto& m : memory) {
		if (!guardsHold(m.first, m.second, after)) return false;
	}
	return true;
}

void release(uintptr_t p) {
	auto i = memory.find(p);
	guardsHold(p, i->second, "the last use");
#if defined(__SANITIZE_ADDRESS__)
	ASAN_UNPOISON_MEMORY_REGION(i->second.base, (i->second.bytes + 511) / 512 * 512 + 2 * guardBytes);
#endif
	memoryUsed -= i->second.bytes;
	free(i->second.base);
	memory.erase(i);
	closed("device memory");
}

void checkLeaks() {
	bool leaks = false;
	std::lock_guard<std::mutex> l(openCounts);
	for (auto& o : open) {
		if (o.second) {
			say("leak: %ld of %s left when the context was released", o.second, o.first.c_str());
			leaks = true;
		}
	}
	const char* s = getenv("TROUPE_SIM_LEAKS");
	if (leaks && !(s && !strcmp(s, "report"))) abort();
}

int guarded(const char* call) {
	if (int code = enter(call)) return code;
	return initialised ? success : notInitialized;
}

// A context is current on a thread: goroutines that change threads lose it.
thread_local bool isCurrent = false;

// within guards the calls that need a context.
int within(const char* call) {
	if (int code = guarded(call)) return code;
	if (!isCurrent) {
		say("%s: no context is current on this thread", call);
		return invalidContext;
	}
	return success;
}

} // namespace

EXPORT void say(const char* format, ...) {
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "simulated device: %s\n", text);
}

EXPORT int enter(const char* call) {
	Lock l(big);
	if (int code = injected(call)) {
		if (isSticky(code) && !strncmp(call, "cu", 2) && call[2] >= 'A' && call[2] <= 'Z') lost = code;
		return code;
	}
	return lost;
}

EXPORT void enqueue(void* stream, std::function<void()> work) {
	Lock l(big);
	push(static_cast<Stream*>(stream), std::move(work));
}

EXPORT void lose(int code, const std::string& message) {
	say("%s", message.c_str());
	if (!lost) lost = code;
}

EXPORT bool owned(const void* p, size_t n) {
	Lock l(big);
	return isOwned(reinterpret_cast<uintptr_t>(p), n);
}

EXPORT void opened(const char* kind) {
	std::lock_guard<std::mutex> l(openCounts);
	open[kind]++;
}

EXPORT void closed(const char* kind) {
	std::lock_guard<std::mutex> l(openCounts);
	open[kind]--;
}

} // namespace sim

using namespace sim;

// --- device and context

API cuInit(unsigned) {
	readInjections();
	if (int code = enter("cuInit")) return code;
	initialised = true;
	return success;
}

API cuDriverGetVersion(int* v) {
	*v = driverVersion;
	return enter("cuDriverGetVersion");
}

API cuDeviceGetCount(int* n) {
	*n = 1;
	return guarded("cuDeviceGetCount");
}

API cuDeviceGet(int* d, int ordinal) {
	if (int code = guarded("cuDeviceGet")) return code;
	*d = 0;
	return ordinal == 0 ? success : invalidDevice;
}

API cuDeviceGetName(char* name, int n, int) {
	snprintf(name, size_t(n), "Simulated sm_%d", capability());
	return guarded("cuDeviceGetName");
}

API cuDeviceGetUuid_v2(char* uuid, int) {
	memcpy(uuid, "simulated device", 16);
	return guarded("cuDeviceGetUuid");
}

API cuDeviceTotalMem_v2(size_t* bytes, int) {
	*bytes = memoryTotal();
	return guarded("cuDeviceTotalMem");
}

API cuDeviceGetAttribute(int* v, int attribute, int) {
	switch (attribute) {
	case 1: *v = 1024; break;		// MAX_THREADS_PER_BLOCK
	case 2: case 3: *v = 1024; break;	// MAX_BLOCK_DIM_X, Y
	case 4: *v = 64; break;			// MAX_BLOCK_DIM_Z
	case 5: *v = 2147483647; break;	// MAX_GRID_DIM_X
	case 6: case 7: *v = 65535; break; // MAX_GRID_DIM_Y, Z
	case 8: *v = 48 << 10; break;	// MAX_SHARED_MEMORY_PER_BLOCK
	case 10: *v = 32; break;		// WARP_SIZE
	case 12: *v = 65536; break;		// MAX_REGISTERS_PER_BLOCK
	case 13: *v = 1000; break;		// CLOCK_RATE, kHz: slow, so that work per launch is small
	case 16: *v = 1; break;			// MULTIPROCESSOR_COUNT
	case 31: *v = 1; break;			// CONCURRENT_KERNELS
	case 36: *v = 1000; break;		// MEMORY_CLOCK_RATE
	case 37: *v = 64; break;		// GLOBAL_MEMORY_BUS_WIDTH
	case 40: *v = 2; break;			// ASYNC_ENGINE_COUNT
	case 41: *v = 1; break;			// UNIFIED_ADDRESSING
	case 75: *v = capability() / 10; break;
	case 76: *v = capability() % 10; break;
	case 97: *v = sharedOptIn(); break; // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
	case 115: *v = 1; break;		// MEMORY_POOLS_SUPPORTED
	default: *v = 0;
	}
	return guarded("cuDeviceGetAttribute");
}

API cuDevicePrimaryCtxRetain(void** c, int) {
	{
		Lock l(big);
		if (!contexts) readInjections();
	}
	if (int code = guarded("cuDevicePrimaryCtxRetain")) return code;
	Lock l(big);
	contexts++;
	*c = &contexts;
	return success;
}

API cuDevicePrimaryCtxRelease_v2(int) {
	Lock l(big);
	if (!contexts) return invalidContext;
	if (--contexts) return lost;
	drainAll();
	int code = lost;
	if (!lost) {
		allGuardsHold("the last use");
		checkLeaks();
	}
	// What is left goes with the context.
	for (auto& m : memory) {
#if defined(__SANITIZE_ADDRESS__)
		ASAN_UNPOISON_MEMORY_REGION(m.second.base, (m.second.bytes + 511) / 512 * 512 + 2 * guardBytes);
#endif
		free(m.second.base);
	}
	memory.clear();
	memoryUsed = 0;
	open.clear();
	lost = 0;
	return code;
}
API cuDevicePrimaryCtxRelease(int d) { return cuDevicePrimaryCtxRelease_v2(d); }

API cuCtxSetCurrent(void* c) {
	if (int code = guarded("cuCtxSetCurrent")) return code;
	isCurrent = c != nullptr;
	return success;
}
API cuCtxGetCurrent(void** c) {
	*c = isCurrent ? &contexts : nullptr;
	return guarded("cuCtxGetCurrent");
}
API cuCtxGetDevice(int* d) {
	*d = 0;
	return guarded("cuCtxGetDevice");
}
API cuCtxSynchronize() {
	if (int code = within("cuCtxSynchronize")) return code;
	waitAll();
	Lock l(big);
	return lost;
}

API cuGetErrorName(int code, const char** name) {
	switch (code) {
#define NAME(c, n) case c: *name = n; return success;
	NAME(0, "CUDA_SUCCESS") NAME(1, "CUDA_ERROR_INVALID_VALUE") NAME(2, "CUDA_ERROR_OUT_OF_MEMORY") NAME(3, "CUDA_ERROR_NOT_INITIALIZED")
	NAME(100, "CUDA_ERROR_NO_DEVICE") NAME(101, "CUDA_ERROR_INVALID_DEVICE") NAME(200, "CUDA_ERROR_INVALID_IMAGE") NAME(201, "CUDA_ERROR_INVALID_CONTEXT")
	NAME(209, "CUDA_ERROR_NO_BINARY_FOR_GPU") NAME(214, "CUDA_ERROR_ECC_UNCORRECTABLE") NAME(218, "CUDA_ERROR_INVALID_PTX") NAME(220, "CUDA_ERROR_NVLINK_UNCORRECTABLE")
	NAME(222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION") NAME(500, "CUDA_ERROR_NOT_FOUND") NAME(600, "CUDA_ERROR_NOT_READY") NAME(700, "CUDA_ERROR_ILLEGAL_ADDRESS")
	NAME(701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES") NAME(702, "CUDA_ERROR_LAUNCH_TIMEOUT") NAME(716, "CUDA_ERROR_MISALIGNED_ADDRESS") NAME(719, "CUDA_ERROR_LAUNCH_FAILED")
	NAME(801, "CUDA_ERROR_NOT_SUPPORTED") NAME(999, "CUDA_ERROR_UNKNOWN")
#undef NAME
	}
	*name = nullptr;
	return invalidValue;
}
API cuGetErrorString(int code, const char** text) { return cuGetErrorName(code, text); }

// --- memory

API cuMemGetInfo_v2(size_t* freeBytes, size_t* total) {
	if (int code = within("cuMemGetInfo")) return code;
	Lock l(big);
	*total = memoryTotal();
	*freeBytes = *total - memoryUsed;
	return success;
}

API cuMemAlloc_v2(unsigned long long* p, size_t n) {
	if (int code = within("cuMemAlloc")) return code;
	Lock l(big);
	return allocate(p, n);
}

API cuMemFree_v2(unsigned long long p) {
	if (int code = within("cuMemFree")) return code;
	if (!p) return success;
	waitAll(); // freeing waits for the device
	Lock l(big);
	if (lost) return lost;
	if (!memory.count(p)) return invalidValue;
	release(p);
	return lost;
}

API cuMemAllocAsync(unsigned long long* p, size_t n, void*) {
	if (int code = within("cuMemAllocAsync")) return code;
	Lock l(big);
	return allocate(p, n);
}

API cuMemFreeAsync(unsigned long long p, void* stream) {
	if (int code = within("cuMemFreeAsync")) return code;
	if (!p) return success;
	Lock l(big);
	if (!memory.count(p)) return invalidValue;
	push(static_cast<Stream*>(stream), [p] { release(p); });
	return success;
}

API cuDeviceGetDefaultMemPool(void** pool, int) {
	static int it;
	*pool = &it;
	return within("cuDeviceGetDefaultMemPool");
}
API cuMemPoolSetAttribute(void*, int, void*) { return within("cuMemPoolSetAttribute"); }
API cuMemPoolTrimTo(void*, size_t) { return within("cuMemPoolTrimTo"); }

API cuMemAllocHost_v2(void** p, size_t n) {
	if (int code = within("cuMemAllocHost")) return code;
	Lock l(big);
	*p = malloc(n);
	if (!*p) return outOfMemory;
	pinned[reinterpret_cast<uintptr_t>(*p)] = n;
	opened("pinned memory");
	return success;
}
API cuMemHostAlloc(void** p, size_t n, unsigned) { return cuMemAllocHost_v2(p, n); }

API cuMemFreeHost(void* p) {
	if (int code = within("cuMemFreeHost")) return code;
	waitAll();
	Lock l(big);
	if (!pinned.erase(reinterpret_cast<uintptr_t>(p))) return invalidValue;
	free(p);
	closed("pinned memory");
	return success;
}

static bool isPinned(const void* p, size_t n) {
	auto a = reinterpret_cast<uintptr_t>(p);
	auto i = pinned.upper_bound(a);
	if (i == pinned.begin()) return false;
	--i;
	return a + n <= i->first + i->second;
}

// Pageable memory is copied before the call returns, pinned memory when the
// stream comes to it.
API cuMemcpyHtoDAsync_v2(unsigned long long d, const void* s, size_t n, void* stream) {
	if (int code = within("cuMemcpyHtoDAsync")) return code;
	Lock l(big);
	if (!isOwned(d, n)) return invalidValue;
	if (isPinned(s, n)) {
		push(static_cast<Stream*>(stream), [=] { memcpy(reinterpret_cast<void*>(d), s, n); });
		return lost;
	}
	auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(s), static_cast<const char*>(s) + n);
	push(static_cast<Stream*>(stream), [=] { memcpy(reinterpret_cast<void*>(d), staged->data(), n); });
	return lost;
}

API cuMemcpyDtoHAsync_v2(void* d, unsigned long long s, size_t n, void* stream) {
	if (int code = within("cuMemcpyDtoHAsync")) return code;
	bool later;
	{
		Lock l(big);
		if (!isOwned(s, n)) return invalidValue;
		later = isPinned(d, n);
		push(static_cast<Stream*>(stream), [=] { memcpy(d, reinterpret_cast<void*>(s), n); });
	}
	if (!later && stream) wait(static_cast<Stream*>(stream));
	Lock l(big);
	return lost;
}

API cuMemcpyDtoDAsync_v2(unsigned long long d, unsigned long long s, size_t n, void* stream) {
	if (int code = within("cuMemcpyDtoDAsync")) return code;
	Lock l(big);
	if (!isOwned(d, n) || !isOwned(s, n)) return invalidValue;
	push(static_cast<Stream*>(stream), [=] { memmove(reinterpret_cast<void*>(d), reinterpret_cast<void*>(s), n); });
	return lost;
}

API cuMemcpyHtoD_v2(unsigned long long d, const void* s, size_t n) { return cuMemcpyHtoDAsync_v2(d, s, n, nullptr); }
API cuMemcpyDtoH_v2(void* d, unsigned long long s, size_t n) { return cuMemcpyDtoHAsync_v2(d, s, n, nullptr); }
API cuMemcpyDtoD_v2(unsigned long long d, unsigned long long s, size_t n) { return cuMemcpyDtoDAsync_v2(d, s, n, nullptr); }

API cuMemsetD8Async(unsigned long long d, unsigned char v, size_t n, void* stream) {
	if (int code = within("cuMemsetD8Async")) return code;
	Lock l(big);
	if (!isOwned(d, n)) return invalidValue;
	push(static_cast<Stream*>(stream), [=] { memset(reinterpret_cast<void*>(d), v, n); });
	return lost;
}
API cuMemsetD8_v2(unsigned long long d, unsigned char v, size_t n) { return cuMemsetD8Async(d, v, n, nullptr); }

API cuMemsetD32Async(unsigned long long d, unsigned v, size_t n, void* stream) {
	if (int code = within("cuMemsetD32Async")) return code;
	Lock l(big);
	if (!isOwned(d, 4 * n) || d % 4) return invalidValue;
	push(static_cast<Stream*>(stream), [=] {
		auto* p = reinterpret_cast<unsigned*>(d);
		for (size_t i = 0; i < n; i++) p[i] = v;
	});
	return lost;
}
API cuMemsetD32_v2(unsigned long long d, unsigned v, size_t n) { return cuMemsetD32Async(d, v, n, nullptr); }

// --- streams and events

API cuStreamCreate(void** s, unsigned flags) {
	if (int code = within("cuStreamCreate")) return code;
	Lock l(big);
	auto* stream = new Stream;
	stream->blocking = !(flags & 1); // CU_STREAM_NON_BLOCKING
	streams.insert(stream);
	opened("streams");
	*s = stream;
	return success;
}
API cuStreamCreateWithPriority(void** s, unsigned flags, int) { return cuStreamCreate(s, flags); }

API cuStreamDestroy_v2(void* s) {
	if (int code = within("cuStreamDestroy")) return code;
	wait(static_cast<Stream*>(s));
	Lock l(big);
	auto* stream = static_cast<Stream*>(s);
	if (!streams.erase(stream)) return invalidValue;
	delete stream;
	closed("streams");
	return success;
}

API cuStreamSynchronize(void* s) {
	if (int code = within("cuStreamSynchronize")) return code;
	if (s) {
		wait(static_cast<Stream*>(s));
	} else {
		waitAll();
	}
	Lock l(big);
	return lost;
}

API cuStreamQuery(void* s) {
	if (int code = within("cuStreamQuery")) return code;
	Lock l(big);
	auto* stream = static_cast<Stream*>(s);
	if (!stream || stream->work.empty()) return lost;
	runOne(*stream); // who polls sees progress
	return lost ? lost : stream->work.empty() ? success : notReady;
}

API cuEventCreate(void** e, unsigned) {
	if (int code = within("cuEventCreate")) return code;
	Lock l(big);
	*e = new Event;
	opened("events");
	return success;
}

API cuEventDestroy_v2(void* e) {
	if (int code = within("cuEventDestroy")) return code;
	Lock l(big);
	delete static_cast<Event*>(e);
	closed("events");
	return success;
}

API cuEventRecord(void* e, void* s) {
	if (int code = within("cuEventRecord")) return code;
	Lock l(big);
	auto state = std::make_shared<EventState>();
	state->recorded = true;
	state->done = false;
	state->stream = static_cast<Stream*>(s);
	static_cast<Event*>(e)->state = state;
	push(state->stream, [state] {
		state->done = true;
		state->at = std::chrono::steady_clock::now();
	});
	return lost;
}

// reach runs a stream up to an event; the lock is held.
static void reach(const std::shared_ptr<EventState>& state) {
	while (!state->done && !lost && streams.count(state->stream) && !state->stream->work.empty()) runOne(*state->stream);
}

API cuStreamWaitEvent(void* s, void* e, unsigned) {
	if (int code = within("cuStreamWaitEvent")) return code;
	Lock l(big);
	auto state = static_cast<Event*>(e)->state;
	push(static_cast<Stream*>(s), [state] { reach(state); });
	return lost;
}

API cuEventSynchronize(void* e) {
	if (int code = within("cuEventSynchronize")) return code;
	std::shared_ptr<EventState> state;
	{
		Lock l(big);
		state = static_cast<Event*>(e)->state;
	}
	for (;;) {
		Lock l(big);
		if (state->done || lost || !streams.count(state->stream) || state->stream->work.empty()) return lost;
		runOne(*state->stream);
	}
}

API cuEventQuery(void* e) {
	if (int code = within("cuEventQuery")) return code;
	Lock l(big);
	auto state = static_cast<Event*>(e)->state;
	if (!state->done && streams.count(state->stream) && !state->stream->work.empty()) runOne(*state->stream);
	return lost ? lost : state->done ? success : notReady;
}

API cuEventElapsedTime(float* ms, void* from, void* to) {
	if (int code = within("cuEventElapsedTime")) return code;
	Lock l(big);
	auto a = static_cast<Event*>(from)->state, b = static_cast<Event*>(to)->state;
	if (!a->recorded || !b->recorded) return 400; // INVALID_HANDLE
	if (!a->done || !b->done) return notReady;
	*ms = std::chrono::duration<float, std::milli>(b->at - a->at).count();
	return success;
}
API cuEventElapsedTime_v2(float* ms, void* from, void* to) { return cuEventElapsedTime(ms, from, to); }

// --- modules and kernels

API cuModuleLoadData(void** m, const void* image) {
	if (int code = within("cuModuleLoadData")) return code;
	Lock l(big);
	auto module = std::make_unique<Module>();
	std::string problem;
	if (int code = parsePTX(static_cast<const char*>(image), driverVersion, capability(), &module->entries, &problem)) {
		say("cuModuleLoadData: %s", problem.c_str());
		return code;
	}
	opened("modules");
	*m = module.release();
	return success;
}

API cuModuleLoadDataEx(void** m, const void* image, unsigned, int*, void**) { return cuModuleLoadData(m, image); }

API cuModuleUnload(void* m) {
	if (int code = within("cuModuleUnload")) return code;
	waitAll();
	Lock l(big);
	delete static_cast<Module*>(m);
	closed("modules");
	return success;
}

API cuModuleGetFunction(void** f, void* m, const char* name) {
	if (int code = within("cuModuleGetFunction")) return code;
	Lock l(big);
	auto& module = *static_cast<Module*>(m);
	auto entry = module.entries.find(name);
	if (entry == module.entries.end()) return notFound;
	const Kernel* k = findKernel(name);
	if (!k) {
		say("kernel %s is in the PTX, but not among the sources that the simulation was built from", name);
		return notFound;
	}
	if (entry->second.params != k->params) {
		say("kernel %s takes %u parameters in the PTX and %u in the simulation: build it again", name, entry->second.params, k->params);
		return invalidValue;
	}
	auto& function = module.functions[name];
	if (!function) function.reset(new Function{k, entry->second});
	*f = function.get();
	return success;
}

API cuFuncSetAttribute(void* f, int attribute, int v) {
	if (int code = within("cuFuncSetAttribute")) return code;
	Lock l(big);
	auto& function = *static_cast<Function*>(f);
	if (attribute != 8) return success; // MAX_DYNAMIC_SHARED_SIZE_BYTES
	if (v < 0 || v + int(function.entry.staticShared) > sharedOptIn()) return invalidValue;
	function.dynamicShared = size_t(v);
	return success;
}

API cuFuncGetAttribute(int* v, int attribute, void* f) {
	if (int code = within("cuFuncGetAttribute")) return code;
	auto& function = *static_cast<Function*>(f);
	switch (attribute) {
	case 0: *v = function.entry.maxThreads ? int(function.entry.maxThreads) : 1024; break;
	case 1: *v = int(function.entry.staticShared); break;
	case 8: *v = int(function.dynamicShared); break;
	default: *v = 0;
	}
	return success;
}

API cuLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* stream, void** params, void** extra) {
	if (int code = within("cuLaunchKernel")) return code;
	Lock l(big);
	auto& function = *static_cast<Function*>(f);
	if (!gx || !gy || !gz || !bx || !by || !bz || extra) return invalidValue;
	if (gx > 2147483647u || gy > 65535 || gz > 65535) return invalidValue;
	if (bx > 1024 || by > 1024 || bz > 64 || uint64_t(bx) * by * bz > 1024) return invalidValue;
	if (function.entry.maxThreads && uint64_t(bx) * by * bz > function.entry.maxThreads) {
		say("kernel %s is compiled for at most %u threads, not %llu", function.kernel->name, function.entry.maxThreads, (unsigned long long)(uint64_t(bx) * by * bz));
		return invalidValue;
	}
	if (shared > function.dynamicShared) {
		say("kernel %s: %u bytes of dynamic shared memory, but it may have %zu", function.kernel->name, shared, function.dynamicShared);
		return invalidValue;
	}
	std::vector<uint64_t> values(function.kernel->params);
	for (size_t i = 0; i < values.size(); i++) memcpy(&values[i], params[i], 8);
	int failure = injected("kernel");
	push(static_cast<Stream*>(stream), [=] {
		if (failure) return lose(failure, std::string("kernel ") + function.kernel->name + ": injected failure");
		Fault fault = runGrid(*function.kernel, values.data(), {gx, gy, gz}, {bx, by, bz}, shared);
		if (fault.code) return lose(fault.code, fault.message);
		allGuardsHold(function.kernel->name);
	});
	return lost;
}

// How the CPU runs a grid: one fiber per CUDA thread, one block at a time on each
// worker thread. What a kernel sees of it is in language.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sim {

struct Dim {
	unsigned x, y, z;
	uint64_t count() const { return uint64_t(x) * y * z; }
};

struct Thread;

// The fiber that runs on this worker, and its block.
struct Current {
	Thread* thread;
	Dim threadIdx, blockIdx, blockDim, gridDim;
	unsigned lane;
	char* dynamicShared;
};
extern thread_local __attribute__((tls_model("initial-exec"))) Current current;

// barrier is __syncthreads: it returns when every live thread of the block is
// in it.
void barrier();

// An Exchange does what a warp does in common: lanes[l] is what lane l gave to
// collective, null for lanes that take no part.
using Exchange = void (*)(void* const lanes[32]);

// collective waits for the live lanes of mask, runs exchange once, and returns
// in each of them. All must be in the same call.
void collective(unsigned mask, Exchange exchange, void* mine);

// fault ends the kernel like an exception of the hardware: the launch fails
// and the context is lost.
[[noreturn]] void fault(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));

// An Async is what a thread has under way of one kind of asynchronous
// instruction: a GPU may run it when it is issued, or as late as the wait for
// its group, so the simulation does either; see Order in block.cpp.
class Async {
	std::vector<std::function<void()>> work;
	std::vector<size_t> groups; // number of pieces up to each commit

public:
	void issue(std::function<void()>);
	void commit();
	void wait(unsigned pending); // until at most so many groups are under way
	void clear();
	bool idle() const { return work.empty(); }
};
Async& copies();   // of this thread: cp.async
Async& products(); // wgmma

// copyAsync is a cp.async of bytes, those behind valid being zeros.
void copyAsync(void* shared, const void* global, unsigned bytes, unsigned valid);

// A Kernel is one __global__ function of the kernel sources.
struct Kernel {
	const char* name;
	void (*call)(const uint64_t* params);
	unsigned params;
};
void registerKernel(const Kernel*);
const Kernel* findKernel(const std::string& name);

struct Fault {
	int code = 0; // a CUresult, 0 if the grid ran to its end
	std::string message;
};
Fault runGrid(const Kernel&, const uint64_t* params, Dim grid, Dim block, size_t dynamicShared);

// parallel calls f(i) for i in [0, n) on the workers.
void parallel(uint64_t n, void (*f)(void* arg, uint64_t i), void* arg);

} // namespace sim

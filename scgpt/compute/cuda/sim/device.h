// What the simulated libraries share: the state of the one simulated device.
// libcublas, libcublasLt and libcudnn reach it through libcuda.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace sim {

// enter is the first thing that every call does: 0, or the status that it has
// to return at once: an injected failure, or (for driver calls) that the
// context is lost.
int enter(const char* call);

// enqueue puts work into a stream (null is the default stream). Streams run
// nothing until somebody waits for them, as late as CUDA allows, so that a
// missing wait shows.
void enqueue(void* stream, std::function<void()> work);

// lose makes the context unusable: every later driver call returns code.
void lose(int code, const std::string& message);

// owned reports whether [p, p+n) lies within one live allocation of the device.
bool owned(const void* p, size_t n);

// say writes a line to standard error.
void say(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Handles, modules, streams, events and memory are counted; what is left when
// the last user releases the primary context is a leak.
void opened(const char* kind);
void closed(const char* kind);

} // namespace sim

// What the simulated driver reads in the PTX that it is given: not the code,
// which the simulation has in C++, but whether a real driver would take it.
#pragma once
#include <map>
#include <string>

namespace sim {

// An Entry is one kernel of a module.
struct Entry {
	unsigned params = 0;
	unsigned maxThreads = 0; // 0: not stated
	size_t staticShared = 0;
};

// parsePTX returns 0 or a CUresult; problem then says what is wrong.
int parsePTX(const char* ptx, int driverVersion, int capability, std::map<std::string, Entry>* entries, std::string* problem);

} // namespace sim

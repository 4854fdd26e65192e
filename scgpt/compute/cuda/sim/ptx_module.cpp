#include "ptx_module.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace sim {

// newestPTX is the highest PTX version that a driver knows, times ten. CUDA 11.x
// brought 7.x, 12.x 8.x, and 13.0 9.0.
static int newestPTX(int driverVersion) {
	int major = driverVersion / 1000, minor = driverVersion % 1000 / 10;
	return (major - 4) * 10 + minor;
}

// after returns what stands behind a word, without blanks before it; "" if the
// word is not there.
static std::string after(const std::string& text, const char* word) {
	size_t at = text.find(word);
	if (at == std::string::npos) return "";
	at = text.find_first_not_of(" \t", at + strlen(word));
	return at == std::string::npos ? "" : text.substr(at, 64);
}

int parsePTX(const char* ptx, int driverVersion, int capability, std::map<std::string, Entry>* entries, std::string* problem) {
	std::string text(ptx, strnlen(ptx, 64 << 20));
	std::string head = text.substr(0, 4096);
	int major = 0, minor = 0, target = 0;
	if (sscanf(after(head, ".version").c_str(), "%d.%d", &major, &minor) != 2) {
		*problem = "not PTX: no .version";
		return 218; // INVALID_PTX
	}
	if (major * 10 + minor > newestPTX(driverVersion)) {
		*problem = "PTX " + std::to_string(major) + "." + std::to_string(minor) + " is too new for the driver, version " + std::to_string(driverVersion);
		return 222; // UNSUPPORTED_PTX_VERSION
	}
	char feature = 0;
	if (sscanf(after(head, ".target").c_str(), "sm_%d%c", &target, &feature) < 1) {
		*problem = "not PTX: no .target";
		return 218;
	}
	bool exact = feature == 'a'; // sm_90a is for 9.0 alone
	if (target > capability || (exact && target != capability)) {
		*problem = "PTX for sm_" + std::to_string(target) + (exact ? "a" : "") + " does not run on sm_" + std::to_string(capability);
		return 209; // NO_BINARY_FOR_GPU
	}
	static const char mark[] = ".entry ";
	for (size_t at = text.find(mark); at != std::string::npos;) {
		size_t name = at + sizeof mark - 1, open = text.find('(', name), close = text.find(')', open);
		size_t next = text.find(mark, close);
		size_t end = text.find("\n}", close);
		if (close == std::string::npos || end == std::string::npos) {
			*problem = "PTX ends within a kernel";
			return 218;
		}
		Entry e;
		for (size_t p = text.find(".param", open); p < close; p = text.find(".param", p + 1)) {
			if (text.compare(p, 11, ".param .u64") && text.compare(p, 11, ".param .b64") && text.compare(p, 11, ".param .f64") && text.compare(p, 11, ".param .s64")) {
				*problem = "a kernel has a parameter that is not 8 bytes: " + text.substr(p, text.find('\n', p) - p);
				return 218;
			}
			e.params++;
		}
		std::string attributes = text.substr(close, text.find('{', close) - close);
		e.maxThreads = unsigned(atoi(after(attributes, ".maxntid").c_str()));
		std::string kernel = text.substr(name, open - name);
		for (size_t s = text.find(".shared ", close); s < end; s = text.find(".shared ", s + 1)) {
			size_t bracket = text.find('[', s);
			if (text[s - 1] == '.' || bracket > end || text.find('\n', s) < bracket) continue;
			e.staticShared += strtoul(text.c_str() + bracket + 1, nullptr, 10);
		}
		while (!kernel.empty() && isspace(static_cast<unsigned char>(kernel.back()))) kernel.pop_back();
		(*entries)[kernel] = e;
		at = next;
	}
	return 0;
}

} // namespace sim

#include "ptx_module.h"

#include <cstdlib>
#include <cstring>
#include <regex>

namespace sim {

// newestPTX is the highest PTX version that a driver knows, times ten. CUDA 11.x
// brought 7.x, 12.x 8.x, and 13.0 9.0.
static int newestPTX(int driverVersion) {
	int major = driverVersion / 1000, minor = driverVersion % 1000 / 10;
	return (major - 4) * 10 + minor;
}

static unsigned number(const std::string& text, const char* pattern, unsigned otherwise) {
	std::smatch m;
	return std::regex_search(text, m, std::regex(pattern)) ? unsigned(strtoul(m[1].str().c_str(), nullptr, 10)) : otherwise;
}

int parsePTX(const char* ptx, int driverVersion, int capability, std::map<std::string, Entry>* entries, std::string* problem) {
	std::string text(ptx, strnlen(ptx, 64 << 20));
	std::smatch m;
	std::string head = text.substr(0, 4096);
	if (!std::regex_search(head, m, std::regex("\\.version\\s+(\\d+)\\.(\\d+)"))) {
		*problem = "not PTX: no .version";
		return 218; // INVALID_PTX
	}
	int version = atoi(m[1].str().c_str()) * 10 + atoi(m[2].str().c_str());
	if (version > newestPTX(driverVersion)) {
		*problem = "PTX " + m[1].str() + "." + m[2].str() + " is too new for the driver, version " + std::to_string(driverVersion);
		return 222; // UNSUPPORTED_PTX_VERSION
	}
	if (!std::regex_search(head, m, std::regex("\\.target\\s+sm_(\\d+)([af]?)"))) {
		*problem = "not PTX: no .target";
		return 218;
	}
	int target = atoi(m[1].str().c_str());
	if (target > capability || (m[2].length() && target != capability)) {
		*problem = "PTX for sm_" + m[1].str() + m[2].str() + " does not run on sm_" + std::to_string(capability);
		return 209; // NO_BINARY_FOR_GPU
	}
	static const char mark[] = ".entry ";
	for (size_t at = text.find(mark); at != std::string::npos;) {
		size_t name = at + sizeof mark - 1, open = text.find('(', name), close = text.find(')', open);
		size_t after = text.find(mark, close);
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
		e.maxThreads = number(attributes, "\\.maxntid\\s+(\\d+)", 0);
		std::string kernel = text.substr(name, open - name);
		for (size_t s = text.find(".shared ", close); s < end; s = text.find(".shared ", s + 1)) {
			size_t bracket = text.find('[', s);
			if (text[s - 1] == '.' || bracket > end || text.find('\n', s) < bracket) continue;
			e.staticShared += strtoul(text.c_str() + bracket + 1, nullptr, 10);
		}
		while (!kernel.empty() && isspace(static_cast<unsigned char>(kernel.back()))) kernel.pop_back();
		(*entries)[kernel] = e;
		at = after;
	}
	return 0;
}

} // namespace sim

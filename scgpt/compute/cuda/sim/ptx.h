// Stand-ins for the PTX instructions behind the kernels' small functions.
#pragma once
#include "block.h"

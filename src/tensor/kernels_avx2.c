/* The kernels for x86-64 with AVX2 and FMA (built with those flags). */
#define LANES        8
#define TILE_ROWS    6
#define TILE_VECTORS 2
#define NAME         ns_kernels_avx2
#define PATH         "avx2_fp32"
#include "tensor/kernels_body.h"

/* The kernels for x86-64 with AVX-512 F, BW, DQ, VL (built with those flags). */
#define LANES        16
#define TILE_ROWS    8
#define TILE_VECTORS 2
#define NAME         ns_kernels_avx512
#define PATH         "avx512_fp32"
#include "tensor/kernels_body.h"

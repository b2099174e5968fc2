/* The kernels for any processor. */
#define LANES        4
#define TILE_ROWS    4
#define TILE_VECTORS 2
#define NAME         ns_kernels_portable
#define PATH         "portable_fp32"
#include "tensor/kernels_body.h"

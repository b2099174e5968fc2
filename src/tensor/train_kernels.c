/* Which of the compiled tables this processor can run. */
#include "tensor/train_kernels.h"

#include <string.h>

extern const ns_train_kernels ns_train_kernels_portable;
#ifdef __x86_64__
extern const ns_train_kernels ns_train_kernels_avx2, ns_train_kernels_avx512;
#endif

const ns_train_kernels *ns_train_kernels_named(const char *name)
{
    if (strcmp(name, "portable") == 0)
        return &ns_train_kernels_portable;
#ifdef __x86_64__
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512cd");
    if (v3 && strcmp(name, "avx2") == 0)
        return &ns_train_kernels_avx2;
    if (v4 && strcmp(name, "avx512") == 0)
        return &ns_train_kernels_avx512;
#endif
    return NULL;
}

const ns_train_kernels *ns_train_kernels_pick(void)
{
    const ns_train_kernels *best = ns_train_kernels_named("avx512");
    if (best == NULL)
        best = ns_train_kernels_named("avx2");
    return best != NULL ? best : &ns_train_kernels_portable;
}

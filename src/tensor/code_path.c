#include "tensor/code_path.h"

#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__x86_64__)
#define NS_AVX2     ns_kernels_avx2
#define NS_AVX512   ns_kernels_avx512
#define NS_VNNI     (&ns_low_avx512_int8)
#define NS_AMX_INT8 (&ns_low_amx_int8)
#define NS_AMX_BF16 (&ns_low_amx_bf16)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_vnni(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

/* Leaf 7 of cpuid tells of tiles; the operating system must keep them (xgetbv) and allow this process to use them. */
static bool has_amx(unsigned bit)
{
    enum { TILES = 1u << 24, XSAVE = 1u << 27, TILE_STATE = 3u << 17, TILE_DATA = 18, ASK_PERMISSION = 0x1023 };
    unsigned a, b, c, d, low, high;
    if (!has_avx512() || __get_cpuid(1, &a, &b, &c, &d) == 0 || (c & XSAVE) == 0)
        return false;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & TILES) == 0 || (d & 1u << bit) == 0)
        return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & TILE_STATE) == TILE_STATE && syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA) == 0;
}

static bool has_amx_bf16(void)
{
    return has_amx(22);
}

static bool has_amx_int8(void)
{
    return has_amx(25);
}
#else /* never chosen there */
#define NS_AVX2     ns_kernels_portable
#define NS_AVX512   ns_kernels_portable
#define NS_VNNI     NULL
#define NS_AMX_INT8 NULL
#define NS_AMX_BF16 NULL
static bool has_avx2(void)
{
    return false;
}

static bool has_avx512(void)
{
    return false;
}

static bool has_vnni(void)
{
    return false;
}

static bool has_amx_bf16(void)
{
    return false;
}

static bool has_amx_int8(void)
{
    return false;
}
#endif

/* path, is it there, what a processor without it lacks; from the one we like best downwards: quick ones first, and of
 * AMX's two, which differ little on small models, the more exact. */
typedef struct choice {
    ns_code_path path;
    bool (*there)(void);
    const ns_kernels *kernels;
    const ns_low_kernels *low;
    const char *lacks;
} choice;

static bool always(void)
{
    return true;
}

static const choice choices[] = {
    {NS_PATH_amx_bf16, has_amx_bf16, &NS_AVX512, NS_AMX_BF16, "a processor with AMX, and a system that allows it"},
    {NS_PATH_amx_int8, has_amx_int8, &NS_AVX512, NS_AMX_INT8, "a processor with AMX, and a system that allows it"},
    {NS_PATH_avx512_int8, has_vnni, &NS_AVX512, NS_VNNI, "a processor with AVX-512 VNNI"},
    {NS_PATH_avx512_fp32, has_avx512, &NS_AVX512, NULL, "a processor with AVX-512 (F, BW, DQ, VL)"},
    {NS_PATH_avx2_fp32, has_avx2, &NS_AVX2, NULL, "a processor with AVX2 and FMA"},
    {NS_PATH_portable_fp32, always, &ns_kernels_portable, NULL, ""},
};

static const choice *choice_of(ns_code_path path)
{
    for (size_t i = 0; i < NS_COUNT_OF(choices); i++)
        if (choices[i].path == path)
            return &choices[i];
    return NULL;
}

bool ns_code_path_available(ns_code_path path)
{
    const choice *c = choice_of(path);
    return c != NULL && c->there();
}

ns_code_path ns_code_path_best(void)
{
    for (size_t i = 0; i < NS_COUNT_OF(choices); i++)
        if (choices[i].there())
            return choices[i].path;
    return NS_PATH_portable_fp32;
}

ns_status ns_code_path_choose(const char *name, ns_code_path *out, ns_error *err)
{
    ns_code_path path;
    if (name == NULL) {
        *out = ns_code_path_best();
        return NS_OK;
    }
    char there[256] = "";
    for (size_t i = 0; i < NS_COUNT_OF(choices); i++)
        if (choices[i].there())
            (void)snprintf(there + strlen(there), sizeof there - strlen(there), " %s",
                           ns_code_path_name(choices[i].path));
    if (!ns_code_path_parse(ns_text_of(name), &path) || choice_of(path) == NULL)
        return ns_fail(err, NS_BAD_USAGE, "code path '%s': no such path; this machine can run:%s", name, there);
    if (!ns_code_path_available(path))
        return ns_fail(err, NS_BAD_USAGE, "code path %s needs %s; this machine can run:%s", name,
                       choice_of(path)->lacks, there);
    *out = path;
    return NS_OK;
}

const ns_kernels *ns_code_path_kernels(ns_code_path path)
{
    const choice *c = choice_of(path);
    NS_CHECK(c != NULL && c->there());
    return c->kernels;
}

const ns_low_kernels *ns_code_path_low(ns_code_path path)
{
    const choice *c = choice_of(path);
    NS_CHECK(c != NULL && c->there());
    return c->low;
}

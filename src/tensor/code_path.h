/*
 * Which arithmetic this machine can run, and which is chosen. The names are those of flow/prediction.h.
 *
 * Detected at run time (cpuid, xgetbv, and for AMX the permission that Linux wants asked for); one build runs anywhere.
 */
#ifndef NS_TENSOR_CODE_PATH_H
#define NS_TENSOR_CODE_PATH_H

#include "flow/prediction.h"
#include "tensor/kernels.h"
#include "tensor/low_kernels.h"

/* False for `keyword`, which is no arithmetic. */
bool ns_code_path_available(ns_code_path path);

/* The path that is taken when nobody asks for one. */
ns_code_path ns_code_path_best(void);

/* name: as in NS_CODE_PATH_MAP, or NULL for the best. NS_BAD_USAGE: no such path, or this machine cannot run it (the
 * message says what it lacks and which paths there are). */
NS_MUST_USE ns_status ns_code_path_choose(const char *name, ns_code_path *out, ns_error *err);

/* The float kernels that go with an available path. */
const ns_kernels *ns_code_path_kernels(ns_code_path path);
/* Its products of few bits; NULL where dense layers stay in floats. */
const ns_low_kernels *ns_code_path_low(ns_code_path path);

#endif

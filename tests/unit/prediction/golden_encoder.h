/*
 * The golden encoders of tests/golden/encoder: a folder, windows, and what `transformers` makes of them.
 */
#ifndef NS_TESTS_GOLDEN_ENCODER_H
#define NS_TESTS_GOLDEN_ENCODER_H

#include "check.h"

#include "prediction/encoder.h"
#include "tensor/safetensors.h"

typedef struct golden {
    char folder[4200];
    ns_safetensors *file;
    size_t tokens, windows_count, channels, labels;
    int32_t ids[512], segments[512];
    size_t starts[16];
    ns_windows windows;
    float *hidden, *pooled, *logits; /* wanted */
} golden;

void golden_open(golden *g, const char *name);
void golden_close(golden *g);
/* The largest distance between two arrays. */
double golden_distance(const float *a, const float *b, size_t count);
ns_encoder *golden_encoder(const golden *g, ns_code_path path, size_t threads, size_t tokens);

/* A fresh array of floats, to be given back with ns_free. */
float *golden_floats(size_t count);

#endif

/* What encoder.c (building) and encoder_run.c (scoring) share. */
#ifndef NS_PREDICTION_ENCODER_INNER_H
#define NS_PREDICTION_ENCODER_INNER_H

#include "prediction/encoder.h"
#include "tensor/crew.h"
#include "tensor/linear.h"

enum { NS_ENCODER_BLOCK = 64 }; /* rows taken through a layer together, so that they stay in the cache */

typedef struct ns_encoder_norm {
    float *weight, *bias; /* (C) */
} ns_encoder_norm;

typedef struct ns_encoder_layer {
    ns_linear qkv; /* C -> 3C: query, key, value side by side */
    ns_linear attended, widen, narrow;
    ns_encoder_norm attention_norm, output_norm;
} ns_encoder_layer;

/* One thread's own room. */
typedef struct ns_encoder_bench {
    float *context; /* (BLOCK, C) */
    float *sum;     /* (BLOCK, C) */
    float *wide;    /* (BLOCK, F) */
    float *scores;  /* NS_ATTENTION_ROWS * longest window in panels */
    void *lowered;  /* ns_linear_room(the longer of C and F, BLOCK) */
} ns_encoder_bench;

struct ns_encoder {
    ns_encoder_config config;
    bool has_head;
    ns_code_path path;
    const ns_kernels *kernels;
    ns_dense dense; /* of the layers; the head stays in floats */
    ns_crew *crew;
    void *memory;   /* everything below, in one piece */
    size_t at_once; /* tokens of a round, unless one window has more */
    size_t tokens;  /* room in the arrays below */
    size_t columns; /* room in keys, in tokens rounded up to panels per window */
    float *word, *position, *segment;
    ns_encoder_norm embedding_norm;
    ns_encoder_layer *layer; /* (layers) */
    ns_linear pooler, classifier;
    float *x;                /* (tokens, C) */
    float *qkv[2];           /* (tokens, 3C): layers take turns, so that one meeting a layer is enough */
    float *keys[2];          /* transposed: window w has (C, columns of w) from C * column_of[w] on */
    size_t *window_of;       /* (tokens): which window a row belongs to */
    size_t *column_of;       /* (windows): where its keys begin */
    ns_encoder_bench *bench; /* one per thread */
};

#endif

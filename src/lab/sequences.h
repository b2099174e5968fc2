/*
 * What an encoder is trained on: many short sequences of token ids, perhaps labelled, and the order in which training
 * takes them.
 *
 * Sequences of one unit (windows of one log) stay together in a micro-batch. Each pass takes all units in a new order,
 * which is decided by (seed, pass) alone; so a place is two numbers and can be kept in a checkpoint. One thread.
 */
#ifndef NS_LAB_SEQUENCES_H
#define NS_LAB_SEQUENCES_H

#include "prediction/trainer.h"

typedef struct ns_sequences {
    int32_t *ids;
    size_t id_count, id_room;
    uint32_t *starts; /* count + 1, once there is a first */
    ns_train_label *labels;
    uint32_t *units; /* first sequence of each unit */
    size_t count, room, unit_count, unit_room;
    size_t ceiling; /* ids, at most */
} ns_sequences;

/* ceiling: ids that are kept at most, below 2^31. */
void ns_sequences_init(ns_sequences *sequences, size_t ceiling);
void ns_sequences_clear(ns_sequences *sequences);

/* Copies one sequence; label NULL: none. new_unit: it begins a unit. NS_TOO_LARGE above the ceiling, NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_sequences_add(ns_sequences *sequences, const int32_t *ids, size_t count,
                                       const ns_train_label *label, bool new_unit, ns_error *err);

/* How pieces are hidden for the masked-language task (Devlin et al. 2018): `share` of them, of which 80 % become
 * [MASK], 10 % a random piece, 10 % stay. */
typedef struct ns_masking {
    double share;    /* 0: nothing is hidden */
    int32_t special; /* ids below are never hidden and never put in */
    int32_t mask;
    size_t vocabulary;
} ns_masking;

typedef struct ns_sequence_loader ns_sequence_loader;

/* Micro-batches within `limits`, `batches` of them a step. sequences must outlive it and not change.
 * NS_BAD_INPUT: a unit is larger than a micro-batch, or there is none. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_sequence_loader_new(const ns_sequences *sequences, const ns_masking *masking,
                                             const ns_train_limits *limits, size_t batches, uint64_t seed,
                                             ns_sequence_loader **out, ns_error *err);
void ns_sequence_loader_free(ns_sequence_loader *loader);

/* The next step's micro-batches, borrowed until the next call; *count of them, at least one. Every pass ends with what
 * is left. */
const ns_train_batch *ns_sequence_loader_next(ns_sequence_loader *loader, size_t *count);

/* Where the next call begins; going on there gives the same batches. */
typedef struct ns_sequence_place {
    uint64_t pass, unit, step;
} ns_sequence_place;
ns_sequence_place ns_sequence_loader_place(const ns_sequence_loader *loader);
void ns_sequence_loader_go(ns_sequence_loader *loader, ns_sequence_place place);

#endif

/*
 * The header of a safetensors file: the small part of JSON that it uses, read strictly.
 */
#ifndef NS_TENSOR_SAFETENSORS_HEADER_H
#define NS_TENSOR_SAFETENSORS_HEADER_H

#include "tensor/safetensors.h"

typedef struct ns_tensor_entry {
    ns_tensor_view view; /* data not yet set */
    uint64_t begin, end; /* from the end of the header */
} ns_tensor_entry;

typedef struct ns_tensor_entries {
    ns_tensor_entry *at; /* on the memory gate */
    size_t count, room;
} ns_tensor_entries;

/* Entries as they stand in the text, each checked for itself (known dtype, rank, no overflow). NS_CORRUPT with the
 * place, NS_NO_MEMORY; on failure `out` is empty. */
NS_MUST_USE ns_status ns_tensor_header_read(ns_text text, ns_tensor_entries *out, ns_error *err);

#endif

/*
 * What a client sends: request heads and chunked bodies, read strictly (RFC 9112). Private to this room.
 *
 * No I/O and no memory of its own: a head is read from bytes that the caller keeps, chunks are fed as they arrive.
 * Whatever two readers could understand differently is refused (bare LF, two lengths, folded fields): a proxy in front
 * of us must see the same requests as we do.
 */
#ifndef NS_WIRE_HTTP_HEAD_H
#define NS_WIRE_HTTP_HEAD_H

#include "base/text.h"
#include "wire/http_server.h"

#define NS_HEAD_FIELDS_MAX 100

typedef struct ns_head_field {
    ns_text name, value;
} ns_head_field;

/* All views point into the bytes that were read. */
typedef struct ns_request_head {
    ns_http_method method;
    ns_text path, query;
    ns_head_field field[NS_HEAD_FIELDS_MAX];
    size_t field_count;
    int minor;              /* HTTP/1.0 or HTTP/1.1 */
    int64_t content_length; /* -1: none given */
    bool chunked;
    bool keep_alive;
    bool expects_continue;
} ns_request_head;

/* bytes is a whole head, from the request line through the empty line. 0, or the HTTP code to refuse it with. */
NS_MUST_USE int ns_head_read(ns_text bytes, ns_request_head *out);

/* The first field of this name, case-insensitive. */
bool ns_head_field_of(const ns_request_head *head, const char *name, ns_text *value);

const char *ns_method_name(ns_http_method method);

/* A name that may stand in a head (RFC 9110, "token"). */
bool ns_is_token(ns_text text);

typedef enum ns_chunk_state {
    NS_CHUNK_SIZE, /* in the line with the size */
    NS_CHUNK_EXTENSION,
    NS_CHUNK_SIZE_LF,
    NS_CHUNK_DATA,
    NS_CHUNK_DATA_CR,
    NS_CHUNK_DATA_LF,
    NS_CHUNK_TRAILER, /* at the start of a line behind the last chunk */
    NS_CHUNK_TRAILER_LINE,
    NS_CHUNK_TRAILER_LF,
    NS_CHUNK_END_LF,
    NS_CHUNK_DONE,
} ns_chunk_state;

/* Zero-initialised at the start of a body. */
typedef struct ns_chunks {
    ns_chunk_state state;
    uint64_t left;   /* of the present chunk */
    unsigned digits; /* of its size, so far */
    size_t overhead; /* bytes of extensions and trailers: there is a ceiling on them too */
} ns_chunks;

/* Takes bytes off *in, appends their content to body. 0: all taken, or the body is complete (state NS_CHUNK_DONE);
 * else the HTTP code to refuse it with: 400, 413 (above body's ceiling, or endless extensions), 500 (no memory). */
NS_MUST_USE int ns_chunks_read(ns_chunks *chunks, ns_text *in, ns_buf *body);

#endif

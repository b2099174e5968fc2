/*
 * A bearer token that stands in a file and changes there, as the tokens of Kubernetes' service accounts do (about
 * hourly).
 *
 * Loop thread only. Belongs to the client of one server.
 */
#ifndef NS_WIRE_TOKEN_FILE_H
#define NS_WIRE_TOKEN_FILE_H

#include "wire/http_client.h"

/* Is told each new token: for whoever keeps secrets out of logs. The text lives until it returns. */
typedef void ns_token_learn(void *owner, ns_text token);

typedef struct ns_token_file {
    const char *path;      /* borrowed; NULL: there is none */
    const char *who;       /* "kubernetes": for messages */
    ns_token_learn *learn; /* may be NULL */
    void *owner;
    int64_t read_at_ns; /* 0 never */
    uint64_t hash;      /* of the token read last */
} ns_token_file;

/* Reads the file when it has not been for half a minute (now: in any case), and gives what is new to http. *changed:
 * there was something new. NS_UNAUTHORIZED: it cannot be read or is empty; NS_NO_MEMORY; the token before stays. */
NS_MUST_USE ns_status ns_token_file_refresh(ns_token_file *file, ns_http_client *http, bool now, bool *changed,
                                            ns_error *err);

#endif

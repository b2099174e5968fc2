/*
 * Credential plug-ins of kubeconfigs: a program prints a token or a client certificate (reference: Kubernetes,
 * "client-go credential plugins", client.authentication.k8s.io/v1 and v1beta1).
 *
 * The caller has been asked for leave: it runs a program that a configuration file names. It is started without a
 * shell, in a process group of its own, with a time-out, never interactively. Loop thread only.
 */
#ifndef NS_WIRE_KUBERNETES_EXEC_H
#define NS_WIRE_KUBERNETES_EXEC_H

#include "wire/kubernetes_access.h"

struct event_base;

typedef struct ns_kubernetes_exec ns_kubernetes_exec;

/* What the plug-in gave. Wiped by ns_kubernetes_credential_clear. */
typedef struct ns_kubernetes_credential {
    char *token; /* NULL none */
    ns_buf client_cert_pem, client_key_pem;
    int64_t expires_ms; /* real time; -1: it does not say */
} ns_kubernetes_credential;

/* status NS_OK: credential may be taken apart (moved) by the callee. Else error says what went wrong. Called once. */
typedef void ns_kubernetes_exec_done(void *owner, ns_kubernetes_credential *credential, const ns_error *error);

/* access must outlive it. timeout_ms: then the plug-in is killed. *out is valid until done is called. NS_BAD_USAGE: the
 * plug-in wants a person at a terminal, or a version that we do not speak. NS_IO: it cannot be started. */
NS_MUST_USE ns_status ns_kubernetes_exec_start(struct event_base *loop, const ns_kubernetes_access *access,
                                               long timeout_ms, ns_kubernetes_exec_done *done, void *owner,
                                               ns_kubernetes_exec **out, ns_error *err);
/* Kills it; done is not called. */
void ns_kubernetes_exec_cancel(ns_kubernetes_exec *exec);

/* What it printed. */
NS_MUST_USE ns_status ns_kubernetes_credential_read(ns_text printed, ns_kubernetes_credential *out, ns_error *err);
void ns_kubernetes_credential_clear(ns_kubernetes_credential *credential);

#endif

/*
 * How a cluster's API is reached: where, whom to trust, who we are. From kubeconfig files, or from the service account
 * of the pod we run in (reference: Kubernetes, "Organizing Cluster Access Using kubeconfig Files"; client-go).
 *
 * Read: server, tls-server-name, insecure-skip-tls-verify, certificate-authority(-data), proxy-url; client-certificate
 * and client-key(-data), token, tokenFile, username and password, as, as-uid, as-groups, exec; contexts, namespace,
 * current-context. Data wins over the file of the same thing, tokenFile over token. Paths are relative to their file.
 * In a list of files the first value of a name wins and files that do not exist are passed over, as kubectl does.
 *
 * No secret is ever part of a message. One thread at a time.
 */
#ifndef NS_WIRE_KUBERNETES_ACCESS_H
#define NS_WIRE_KUBERNETES_ACCESS_H

#include "base/text.h"

#include <jansson.h>

#define NS_KUBERNETES_ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"
#define NS_KUBERNETES_GROUPS_MAX     16

/* Texts are owned; NULL: not given. */
typedef struct ns_kubernetes_access {
    char *server; /* https://host:port[/prefix] */
    char *tls_server_name;
    char *proxy_url;
    char *name_space; /* of the context; NULL: none named */
    char *context;    /* its name; NULL in a cluster */
    char *user;       /* the user entry's name, for messages */
    char *ca_file, *client_cert_file, *client_key_file;
    ns_buf ca_pem, client_cert_pem, client_key_pem; /* len 0: none */
    char *token, *token_file;                       /* the file is read again as it changes */
    char *username, *password;
    char *as_user, *as_uid;
    char *as_group[NS_KUBERNETES_GROUPS_MAX];
    size_t as_group_count;
    bool insecure;
    json_t *exec;      /* the plug-in as the kubeconfig gives it; NULL none */
    char *exec_folder; /* a command with a '/' in it is relative to this folder */
} ns_kubernetes_access;

/* paths: a file, or several with ':' between. context NULL: the current one. NS_BAD_USAGE: what cannot be used, with
 * the file's name; NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_kubernetes_access_load(const char *paths, const char *context, ns_kubernetes_access *out,
                                                ns_error *err);

/* folder NULL: NS_KUBERNETES_ACCOUNT_FOLDER. host and port as the environment KUBERNETES_SERVICE_HOST and _PORT say;
 * NULL: not set. NS_BAD_USAGE: we are not in a cluster. */
NS_MUST_USE ns_status ns_kubernetes_access_in_cluster(const char *folder, const char *host, const char *port,
                                                      ns_kubernetes_access *out, ns_error *err);

/* Wipes and frees. */
void ns_kubernetes_access_clear(ns_kubernetes_access *access);

/* One kubeconfig's bytes, without looking at any other file: for tests of the reader. */
NS_MUST_USE ns_status ns_kubernetes_access_read(ns_text kubeconfig, const char *context, ns_kubernetes_access *out,
                                                ns_error *err);

#endif

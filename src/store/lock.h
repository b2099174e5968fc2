/*
 * One daemon per data folder: the file daemon.lock, locked as long as the daemon lives, with its process id inside.
 *
 * The lock belongs to the process (flock): a killed daemon leaves none behind, whatever stands in the file.
 */
#ifndef NS_STORE_LOCK_H
#define NS_STORE_LOCK_H

#include "base/status.h"

typedef struct ns_lock ns_lock;

/* Makes the folder (mode 0700) where it is missing. NS_REFUSED: another process holds it, the message names its id.
 * NS_IO. */
NS_MUST_USE ns_status ns_lock_take(const char *data_dir, ns_lock **out, ns_error *err);

/* NULL is allowed. The file stays, empty. */
void ns_lock_free(ns_lock *lock);

#endif

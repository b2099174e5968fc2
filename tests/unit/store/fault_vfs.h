/*
 * A file system for SQLite that can be told to fail: a full disk, a sync that does not come through, a write that
 * waits. Everything else is passed on to the real one. It counts syncs, so that a test can see what reached the disk.
 *
 * fault_vfs_install makes it the default of this process; call it once, before SQLite is used.
 */
#ifndef NS_TESTS_FAULT_VFS_H
#define NS_TESTS_FAULT_VFS_H

#include <stdatomic.h>

typedef struct fault_vfs_state {
    atomic_int write_result; /* SQLITE_OK: writes go through; else what they answer */
    atomic_int sync_result;
    atomic_int wal_syncs;   /* syncs of write-ahead logs so far */
    atomic_bool hold;       /* writes wait until this is false again */
    atomic_bool is_holding; /* one waits now */
} fault_vfs_state;

extern fault_vfs_state fault_vfs;

void fault_vfs_install(void);

/* SQLite's own memory: let n more requests succeed, then fail every one; -1 never fails. Call install first thing. */
void fault_memory_install(void);
void fault_memory_after(long n);

#endif

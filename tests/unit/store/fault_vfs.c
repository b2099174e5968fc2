#include "fault_vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

fault_vfs_state fault_vfs;

typedef struct fault_file {
    sqlite3_file base;
    bool wal;
    sqlite3_file *real; /* lies behind this struct */
} fault_file;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;

#define REAL(file) (((fault_file *)(file))->real)

static int fault_Close(sqlite3_file *file)
{
    return REAL(file)->pMethods->xClose(REAL(file));
}

static int fault_Write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    const struct timespec little = {.tv_nsec = 1000000};
    while (atomic_load(&fault_vfs.hold)) {
        atomic_store(&fault_vfs.is_holding, true);
        (void)nanosleep(&little, NULL);
    }
    int result = atomic_load(&fault_vfs.write_result);
    return result != SQLITE_OK ? result : REAL(file)->pMethods->xWrite(REAL(file), bytes, count, at);
}

static int fault_Sync(sqlite3_file *file, int flags)
{
    int result = atomic_load(&fault_vfs.sync_result);
    if (result != SQLITE_OK)
        return result;
    if (((fault_file *)file)->wal)
        (void)atomic_fetch_add(&fault_vfs.wal_syncs, 1);
    return REAL(file)->pMethods->xSync(REAL(file), flags);
}

static int fault_FileControl(sqlite3_file *file, int op, void *argument)
{
    return REAL(file)->pMethods->xFileControl(REAL(file), op, argument);
}

static int fault_SectorSize(sqlite3_file *file)
{
    return REAL(file)->pMethods->xSectorSize(REAL(file));
}

static int fault_DeviceCharacteristics(sqlite3_file *file)
{
    return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}

static int fault_Read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 at)
{
    return REAL(file)->pMethods->xRead(REAL(file), bytes, count, at);
}

static int fault_Truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return REAL(file)->pMethods->xTruncate(REAL(file), size);
}

static int fault_FileSize(sqlite3_file *file, sqlite3_int64 *size)
{
    return REAL(file)->pMethods->xFileSize(REAL(file), size);
}

static int fault_Lock(sqlite3_file *file, int level)
{
    return REAL(file)->pMethods->xLock(REAL(file), level);
}

static int fault_Unlock(sqlite3_file *file, int level)
{
    return REAL(file)->pMethods->xUnlock(REAL(file), level);
}

static int fault_CheckReservedLock(sqlite3_file *file, int *out)
{
    return REAL(file)->pMethods->xCheckReservedLock(REAL(file), out);
}

static int fault_ShmMap(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, out);
}

static int fault_ShmLock(sqlite3_file *file, int offset, int n, int flags)
{
    return REAL(file)->pMethods->xShmLock(REAL(file), offset, n, flags);
}

static void fault_ShmBarrier(sqlite3_file *file)
{
    REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static int fault_ShmUnmap(sqlite3_file *file, int delete)
{
    return REAL(file)->pMethods->xShmUnmap(REAL(file), delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = fault_Close,
    .xRead = fault_Read,
    .xWrite = fault_Write,
    .xTruncate = fault_Truncate,
    .xSync = fault_Sync,
    .xFileSize = fault_FileSize,
    .xLock = fault_Lock,
    .xUnlock = fault_Unlock,
    .xCheckReservedLock = fault_CheckReservedLock,
    .xFileControl = fault_FileControl,
    .xSectorSize = fault_SectorSize,
    .xDeviceCharacteristics = fault_DeviceCharacteristics,
    .xShmMap = fault_ShmMap,
    .xShmLock = fault_ShmLock,
    .xShmBarrier = fault_ShmBarrier,
    .xShmUnmap = fault_ShmUnmap,
};

static int fault_Open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)self;
    fault_file *fault = (fault_file *)file;
    *fault = (fault_file){.wal = (flags & SQLITE_OPEN_WAL) != 0, .real = (sqlite3_file *)(fault + 1)};
    int rc = real_vfs->xOpen(real_vfs, name, fault->real, flags, out_flags);
    if (fault->real->pMethods != NULL)
        fault->base.pMethods = &methods;
    return rc;
}

void fault_vfs_install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "fault";
    vfs.szOsFile = (int)sizeof(fault_file) + real_vfs->szOsFile;
    vfs.xOpen = fault_Open;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}

/* ---- memory ---- */

static sqlite3_mem_methods real_memory;
static atomic_long memory_left = -1;

static bool memory_is_there(void)
{
    long left = atomic_load(&memory_left);
    if (left < 0)
        return true;
    while (left > 0 && !atomic_compare_exchange_weak(&memory_left, &left, left - 1))
        ;
    return left > 0;
}

static void *take(int size)
{
    return memory_is_there() ? real_memory.xMalloc(size) : NULL;
}

static void *take_more(void *block, int size)
{
    return memory_is_there() ? real_memory.xRealloc(block, size) : NULL;
}

void fault_memory_install(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK)
        abort();
    sqlite3_mem_methods mine = real_memory;
    mine.xMalloc = take;
    mine.xRealloc = take_more;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mine) != SQLITE_OK)
        abort();
}

void fault_memory_after(long n)
{
    atomic_store(&memory_left, n);
}

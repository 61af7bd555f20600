#include "tests/crash/power_disk.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "storage/create.h"

enum {
    FDS = 1024,
    FILES = 1024,
    NAME = 32,
    /* What a descriptor is, beside the number of a file plus 1. */
    FD_UNKNOWN = 0,
    FD_FOLDER = -1,
    FD_DSYNC = 1 << 16,
};

/* Shared with children. */
struct trace {
    size_t size, used, n_events;
    uint32_t n_files;
    char names[FILES][NAME]; /* of the files; empty when a file has lost it */
    _Alignas(16) uint8_t bytes[];
};

static struct {
    char folder[256]; /* empty: nothing is watched */
    struct trace *trace;
    int fds[FDS];
    enum disk_lie lie;
    struct {
        bool is_armed, lasts, was_played;
        enum disk_call call;
        unsigned skip;
        int error;
    } fault;
    uint64_t limit;
    void *(*mmap)(void *, size_t, int, int, int, off_t); /* the next ones in line */
    int (*fstatvfs)(int, struct statvfs *);
    size_t last_index, last_at; /* of the event that was asked for last */
} disk;

/* Over the trace, for the moment in which an event is added. */
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
/* Held for reading in every call that changes a file, for writing by who ends the process between them. */
static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;

static _Noreturn void die(const char *why)
{
    fprintf(stderr, "power_disk: %s\n", why);
    abort();
}

/* ------------------------------------------------------------------------------------------ the trace */

static size_t event_size(size_t len)
{
    return (sizeof(struct disk_event) + len + 15) & ~(size_t)15;
}

/* Adds an event with room for `len` bytes and answers its index. */
static size_t add(struct disk_event event, const struct iovec *parts, int n_parts)
{
    pthread_mutex_lock(&trace_lock);
    size_t size = event_size(event.len), index = disk.trace->n_events;
    if (disk.trace->size - disk.trace->used < size)
        die("the trace is full");
    struct disk_event *out = (void *)(disk.trace->bytes + disk.trace->used);
    *out = event;
    uint8_t *at = out->bytes, *end = at + event.len;
    for (int i = 0; i < n_parts && at < end; i++) {
        size_t len = parts[i].iov_len < (size_t)(end - at) ? parts[i].iov_len : (size_t)(end - at);
        memcpy(at, parts[i].iov_base, len);
        at += len;
    }
    disk.trace->used += size;
    disk.trace->n_events++;
    pthread_mutex_unlock(&trace_lock);
    return index;
}

static size_t add_bytes(struct disk_event event, const void *bytes, size_t len)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    event.len = len;
    return add(event, &part, 1);
}

size_t disk_events(void)
{
    return disk.trace->n_events;
}

const struct disk_event *disk_event(size_t index)
{
    if (index < disk.last_index)
        disk.last_index = disk.last_at = 0;
    const struct disk_event *event = (const void *)(disk.trace->bytes + disk.last_at);
    for (; disk.last_index < index; disk.last_index++) {
        disk.last_at += event_size(event->len);
        event = (const void *)(disk.trace->bytes + disk.last_at);
    }
    return event;
}

void disk_note(const void *bytes, size_t len)
{
    pthread_rwlock_rdlock(&gate);
    add_bytes((struct disk_event){.kind = DISK_NOTED}, bytes, len);
    pthread_rwlock_unlock(&gate);
}

_Noreturn void disk_abandon(void)
{
    pthread_rwlock_wrlock(&gate);
    _exit(0);
}

/* ------------------------------------------------------------------------------------------ watching */

void disk_watch(const char *folder, size_t trace_bytes)
{
    char file[300];
    if (disk.folder[0] || strlen(folder) >= sizeof disk.folder)
        die("one folder at a time, with a short path");
    disk.mmap = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    disk.fstatvfs = (int (*)(int, struct statvfs *))dlsym(RTLD_NEXT, "fstatvfs");
    strcpy(disk.folder, folder);
    if (trace_bytes == 0)
        return;
    disk.trace = mmap(NULL, sizeof *disk.trace + trace_bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (disk.trace == MAP_FAILED)
        die("no memory for the trace");
    disk.trace->size = trace_bytes;
    snprintf(file, sizeof file, "%s/" RJ_DATA_FILE, folder);
    if (access(file, F_OK) == 0)
        strcpy(disk.trace->names[disk.trace->n_files++], RJ_DATA_FILE);
}

void disk_unwatch(void)
{
    if (disk.trace)
        munmap(disk.trace, sizeof *disk.trace + disk.trace->size);
    memset(&disk, 0, sizeof disk);
}

void disk_lie(enum disk_lie lie)
{
    disk.lie = lie;
}

/* The name inside the folder when it is one of those that count, else NULL. "" is the folder itself. */
static const char *watched_name(const char *path)
{
    size_t len = strlen(disk.folder);
    if (len == 0 || strncmp(path, disk.folder, len) != 0)
        return NULL;
    if (path[len] == '\0')
        return path + len;
    if (path[len] != '/' || strncmp(path + len + 1, RJ_DATA_FILE, strlen(RJ_DATA_FILE)) != 0)
        return NULL;
    return path + len + 1;
}

/* The file of that name, or n_files. */
static uint32_t find_file(const char *name)
{
    uint32_t file = 0;
    while (file < disk.trace->n_files && strcmp(disk.trace->names[file], name) != 0)
        file++;
    return file;
}

static uint32_t find_or_create(const char *name)
{
    uint32_t file = find_file(name);
    if (file < disk.trace->n_files)
        return file;
    if (file == FILES || strlen(name) >= NAME)
        die("too many files, or too long a name");
    strcpy(disk.trace->names[disk.trace->n_files++], name);
    add_bytes((struct disk_event){.kind = DISK_CREATED, .file = file}, name, strlen(name));
    return file;
}

static void note_opened(int fd, const char *name, int flags)
{
    if (fd < 0 || fd >= FDS || !name)
        return;
    if (name[0] == '\0')
        disk.fds[fd] = FD_FOLDER;
    else
        disk.fds[fd] = (int)(disk.trace ? find_or_create(name) : 0) + 1;
    if (name[0] && (flags & O_DSYNC))
        disk.fds[fd] |= FD_DSYNC;
}

static int kind_of(int fd)
{
    return fd >= 0 && fd < FDS ? disk.fds[fd] : FD_UNKNOWN;
}

static uint32_t file_of(int kind)
{
    return (uint32_t)(kind & ~FD_DSYNC) - 1;
}

/* ------------------------------------------------------------------------------------------ failures */

void disk_fail(enum disk_call call, unsigned skip, int error, bool lasts)
{
    disk.fault.is_armed = true;
    disk.fault.was_played = false;
    disk.fault.lasts = lasts;
    disk.fault.call = call;
    disk.fault.skip = skip;
    disk.fault.error = error;
}

void disk_limit(uint64_t bytes)
{
    disk.limit = bytes;
}

bool disk_has_failed(void)
{
    return disk.fault.was_played;
}

/* Whether this call is to fail. Calls on one file come from one thread at a time. */
static bool fails(enum disk_call call)
{
    if (!disk.fault.is_armed || disk.fault.call != call || (disk.fault.was_played && !disk.fault.lasts))
        return false;
    if (disk.fault.skip > 0) {
        disk.fault.skip--;
        return false;
    }
    disk.fault.was_played = true;
    return true;
}

/* How many of the bytes may be written; -1 with errno when none. */
static ssize_t allowed(int kind, off_t offset, size_t len)
{
    bool is_short = disk.fault.error == DISK_SHORT;
    if (fails(DISK_CALL_WRITE) || ((kind & FD_DSYNC) && fails(DISK_CALL_SYNC))) {
        errno = disk.fault.error;
        return is_short ? (ssize_t)(len / 2) : -1;
    }
    if (disk.limit == 0 || (uint64_t)offset + len <= disk.limit)
        return (ssize_t)len;
    disk.fault.was_played = true;
    errno = ENOSPC;
    return (uint64_t)offset < disk.limit ? (ssize_t)(disk.limit - (uint64_t)offset) : -1;
}

/* ------------------------------------------------------------------------------------------ the calls */

static ssize_t write_all(int fd, int kind, const struct iovec *parts, int n_parts, off_t offset)
{
    size_t len = 0;
    for (int i = 0; i < n_parts; i++)
        len += parts[i].iov_len;
    ssize_t may = allowed(kind, offset, len);
    if (may < 0)
        return -1;
    pthread_rwlock_rdlock(&gate);
    size_t index = 0;
    if (disk.trace)
        index = add((struct disk_event){.kind = DISK_WRITTEN,
                                        .file = file_of(kind),
                                        .offset = (uint64_t)offset,
                                        .len = (uint64_t)may},
                    parts, n_parts);
    ssize_t left = may;
    for (int i = 0; i < n_parts && left > 0; i++) {
        size_t part = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;
        if (syscall(SYS_pwrite64, fd, parts[i].iov_base, part, offset + (may - left)) != (ssize_t)part)
            die("a real write failed");
        left -= (ssize_t)part;
    }
    if (disk.trace && (kind & FD_DSYNC) && disk.lie != DISK_LIES_ABOUT_ALL)
        add((struct disk_event){.kind = DISK_SYNCED,
                                .file = file_of(kind),
                                .offset = (uint64_t)offset,
                                .range = (uint64_t)may,
                                .upto = index + 1},
            NULL, 0);
    pthread_rwlock_unlock(&gate);
    return may;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    int kind = kind_of(fd);
    return kind > 0 ? write_all(fd, kind, &part, 1, offset) : syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int n_parts)
{
    int kind = kind_of(fd);
    if (kind <= 0)
        return syscall(SYS_writev, fd, parts, n_parts);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t n = write_all(fd, kind, parts, n_parts, offset);
    if (n > 0)
        lseek(fd, offset + n, SEEK_SET);
    return n;
}

static int sync_file(int fd, int kind)
{
    bool is_folder = kind == FD_FOLDER;
    if (fails(is_folder ? DISK_CALL_FOLDER_SYNC : DISK_CALL_SYNC)) {
        errno = disk.fault.error;
        return -1;
    }
    size_t upto = disk.trace ? disk_events() : 0;
    int rc = (int)syscall(is_folder ? SYS_fsync : SYS_fdatasync, fd);
    if (rc || !disk.trace || (disk.lie && !is_folder))
        return rc;
    pthread_rwlock_rdlock(&gate);
    add((struct disk_event){.kind = is_folder ? DISK_FOLDER_SYNCED : DISK_SYNCED,
                            .file = is_folder ? 0 : file_of(kind),
                            .upto = upto},
        NULL, 0);
    pthread_rwlock_unlock(&gate);
    return 0;
}

int fdatasync(int fd)
{
    int kind = kind_of(fd);
    return kind != FD_UNKNOWN ? sync_file(fd, kind) : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    int kind = kind_of(fd);
    return kind != FD_UNKNOWN ? sync_file(fd, kind) : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t length)
{
    int kind = kind_of(fd);
    if (kind <= 0 || !disk.trace)
        return (int)syscall(SYS_ftruncate, fd, length);
    pthread_rwlock_rdlock(&gate);
    add((struct disk_event){.kind = DISK_CUT, .file = file_of(kind), .offset = (uint64_t)length}, NULL, 0);
    int rc = (int)syscall(SYS_ftruncate, fd, length);
    pthread_rwlock_unlock(&gate);
    return rc;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    const char *name = watched_name(path);
    if (name && name[0] && fails(DISK_CALL_OPEN)) {
        errno = disk.fault.error;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    note_opened(fd, name, flags);
    return fd;
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS)
        disk.fds[fd] = FD_UNKNOWN;
    return (int)syscall(SYS_close, fd);
}

int rename(const char *from, const char *to)
{
    const char *old = watched_name(from), *new = watched_name(to);
    if (!old || !new)
        return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (fails(DISK_CALL_RENAME)) {
        errno = disk.fault.error;
        return -1;
    }
    pthread_rwlock_rdlock(&gate);
    int rc = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (rc == 0 && disk.trace) {
        uint32_t moved = find_or_create(old), replaced = find_file(new);
        if (replaced < disk.trace->n_files)
            disk.trace->names[replaced][0] = '\0';
        strcpy(disk.trace->names[moved], new);
        add_bytes((struct disk_event){.kind = DISK_RENAMED, .file = moved}, new, strlen(new));
    }
    pthread_rwlock_unlock(&gate);
    return rc;
}

int unlink(const char *path)
{
    const char *name = watched_name(path);
    pthread_rwlock_rdlock(&gate);
    int rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (rc == 0 && name && disk.trace) {
        uint32_t file = find_or_create(name);
        disk.trace->names[file][0] = '\0';
        add((struct disk_event){.kind = DISK_REMOVED, .file = file}, NULL, 0);
    }
    pthread_rwlock_unlock(&gate);
    return rc;
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    if (kind_of(fd) > 0 && fails(DISK_CALL_MAP)) {
        errno = disk.fault.error;
        return MAP_FAILED;
    }
    if (disk.mmap)
        return disk.mmap(at, len, protection, flags, fd, offset);
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

int fstatvfs(int fd, struct statvfs *out)
{
    int rc = disk.fstatvfs ? disk.fstatvfs(fd, out) : (errno = ENOSYS, -1);
    if (rc == 0 && disk.limit && disk.fault.was_played)
        out->f_bavail = 0;
    return rc;
}

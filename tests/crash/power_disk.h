/* The disk below a store: what its process asks of the files is recorded in order, and failures are played to
 * it. A program that links this has its own pwrite, fdatasync, rename …, and a program's symbols come before
 * those of its libraries: so LMDB calls them, and the store is the real one.
 *
 * Watched are the files of one folder whose names begin with RJ_DATA_FILE, and the folder itself. The trace
 * lies in memory that children share: a process that forks writers reads what they did. One process at a time
 * may record. State of the process, like the calls it stands in for.
 */
#ifndef RJ_TEST_POWER_DISK_H
#define RJ_TEST_POWER_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------------------------------------ the trace */

enum disk_event_kind {
    DISK_CREATED,       /* bytes: the name of the new file */
    DISK_RENAMED,       /* bytes: its new name */
    DISK_REMOVED,       /* the file has lost its name */
    DISK_FOLDER_SYNCED, /* names are durable as far as event `upto` made them */
    DISK_WRITTEN,       /* bytes: what was written at `offset` */
    DISK_CUT,           /* the file ends at `offset` */
    DISK_SYNCED, /* what events before `upto` wrote is durable: in `range` bytes from `offset` on, or with
                    range 0 in the whole file */
    DISK_NOTED,  /* bytes: what disk_note was given */
};

struct disk_event {
    enum disk_event_kind kind;
    uint32_t file; /* number, from 0; a renamed file keeps it */
    uint64_t offset, range;
    uint64_t upto;
    uint64_t len;
    uint8_t bytes[]; /* `len` of them */
};

/* Watches the folder, which need not exist, with a trace of at most `trace_bytes` (0: nothing is recorded).
 * The file that stands in it already, if there is one, is file 0 under the name RJ_DATA_FILE. */
void disk_watch(const char *folder, size_t trace_bytes);

/* Forgets the trace, the faults and the lies. */
void disk_unwatch(void);

size_t disk_events(void);

/* Events in ascending order are found fastest. */
const struct disk_event *disk_event(size_t index);

/* Puts a mark of the caller's into the trace. */
void disk_note(const void *bytes, size_t len);

/* Ends the process between two calls, as kill -9 does, but never inside of one: the files are what the trace
 * says. */
_Noreturn void disk_abandon(void);

/* ------------------------------------------------------------------------------------------ lies
 *
 * A disk that says "synced" and is not, for the proof that the difference is found. */
enum disk_lie {
    DISK_HONEST = 0,
    DISK_LIES_ABOUT_PAGES = 1, /* fdatasync, fsync */
    DISK_LIES_ABOUT_ALL = 2,   /* O_DSYNC too */
};

void disk_lie(enum disk_lie lie);

/* ------------------------------------------------------------------------------------------ failures */

enum disk_call {
    DISK_CALL_OPEN,
    DISK_CALL_MAP,
    DISK_CALL_WRITE,
    DISK_CALL_SYNC, /* of the file, O_DSYNC writes included */
    DISK_CALL_RENAME,
    DISK_CALL_FOLDER_SYNC,
    DISK_CALL_COUNT,
};

enum { DISK_SHORT = 0 }; /* as an error: half of the bytes are written, without an error */

/* The (skip+1)-th such call from now on fails with `error` and does nothing; with `lasts` all later ones too.
 * One failure at a time. */
void disk_fail(enum disk_call call, unsigned skip, int error, bool lasts);

/* The file gets no longer than so: ENOSPC. 0: as long as it likes. */
void disk_limit(uint64_t bytes);

/* Whether a failure was played. */
bool disk_has_failed(void);

#endif

/* Static files, read into memory once: what is not in the table does not exist, so no path can lead astray.
 */
#ifndef RJ_FILES_H
#define RJ_FILES_H

#include "gateway/frontends/server.h"

struct rj_files;

/* Serves the regular files of `dir` (not below it) whose names `accepts` takes (NULL: all that do not start
 * with a dot) at `path` + name, and "index.html" at `path` itself. `cors`: for pages of other origins that
 * read them by script, as an import of a module does; its list is borrowed; NULL: not for them. RJ_NOT_FOUND:
 * the folder cannot be read. RJ_TOO_LARGE: more than is sensible to keep in memory. */
enum rj_status rj_files_open(const char *dir, const char *path, bool (*accepts)(const char *name),
                             const struct rj_cors *cors, struct rj_files **out);

/* How many files it serves. */
size_t rj_files_count(const struct rj_files *files);

/* The route. Takes only GET and HEAD of its files. */
bool rj_files_on_request(void *files, struct rj_peer *peer, const struct rj_request *request);

/* NULL is fine; the pointer is taken. */
void rj_files_free(struct rj_files **files);

#endif

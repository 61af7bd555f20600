#include "gateway/frontends/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/mem.h"

enum { MAX_FILES = 512, ETAG_BYTES = 32 };
static const size_t max_total_bytes = 64U << 20;

struct file {
    char *path; /* as it is asked for */
    const char *type;
    char etag[ETAG_BYTES];
    struct rj_buf content;
};

struct rj_files {
    struct file *files;
    size_t n;
    size_t bytes;
    struct rj_cors cors;
};

static const char *type_of(const char *name)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "application/javascript; charset=utf-8"},
        {".mjs", "application/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json; charset=utf-8"},
        {".map", "application/json; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".ico", "image/x-icon"},
        {".txt", "text/plain; charset=utf-8"},
        {".woff2", "font/woff2"},
        {".webp", "image/webp"},
    };
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t suffix = strlen(types[i].suffix);
        if (len > suffix && strcmp(name + len - suffix, types[i].suffix) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

/* FNV-1a of the content: what is the same everywhere has the same tag at every gateway. */
static void make_etag(struct file *file)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < file->content.len; i++)
        hash = (hash ^ file->content.data[i]) * 0x100000001b3U;
    snprintf(file->etag, sizeof file->etag, "\"%016llx\"", (unsigned long long)hash);
}

static enum rj_status read_file(int dir, const char *name, size_t most, struct rj_buf *out)
{
    struct stat about;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return RJ_NOT_FOUND;
    enum rj_status status = RJ_NOT_FOUND;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        ssize_t got = 0;
        status = (size_t)about.st_size > most ? RJ_TOO_LARGE : RJ_OK;
        while (status == RJ_OK && (got = read(fd, rj_buf_reserve(out, 65536), 65536)) > 0)
            out->len += (size_t)got;
        if (got < 0 || out->len > most)
            status = RJ_IO;
    }
    close(fd);
    return status;
}

static void add(struct rj_files *files, const char *path, const char *name, struct rj_buf *content)
{
    struct file file = {.content = *content, .type = type_of(name)};
    struct rj_buf whole = {0};
    rj_buf_put_str(&whole, path);
    if (strcmp(name, "index.html") != 0)
        rj_buf_put_str(&whole, name);
    file.path = rj_strndup((const char *)whole.data, whole.len);
    rj_buf_free(&whole);
    make_etag(&file);
    files->bytes += content->len;
    files->files = rj_realloc(files->files, files->n + 1, sizeof *files->files);
    files->files[files->n++] = file;
}

enum rj_status rj_files_open(const char *dir, const char *path, bool (*accepts)(const char *name),
                             const struct rj_cors *cors, struct rj_files **out)
{
    DIR *stream = opendir(dir);
    if (!stream)
        return RJ_NOT_FOUND;
    struct rj_files *files = rj_calloc(1, sizeof *files);
    enum rj_status status = RJ_OK;
    if (cors)
        files->cors = *cors;
    for (struct dirent *entry; status == RJ_OK && (entry = readdir(stream));) {
        struct rj_buf content = {0};
        if (entry->d_name[0] == '.' || (accepts && !accepts(entry->d_name)))
            continue;
        if (files->n == MAX_FILES)
            status = RJ_TOO_LARGE;
        else
            status = read_file(dirfd(stream), entry->d_name, max_total_bytes - files->bytes, &content);
        if (status == RJ_OK)
            add(files, path, entry->d_name, &content);
        else
            rj_buf_free(&content);
        if (status == RJ_NOT_FOUND)
            status = RJ_OK; /* a folder, or gone meanwhile */
    }
    closedir(stream);
    if (status != RJ_OK)
        rj_files_free(&files);
    else
        *out = files;
    return status;
}

size_t rj_files_count(const struct rj_files *files)
{
    return files->n;
}

bool rj_files_on_request(void *context, struct rj_peer *peer, const struct rj_request *request)
{
    const struct rj_files *files = context;
    bool is_reading = request->method == RJ_HTTP_GET || request->method == RJ_HTTP_HEAD;
    for (size_t i = 0; i < files->n; i++) {
        const struct file *file = &files->files[i];
        if (!rj_span_is(request->path, file->path))
            continue;
        rj_peer_apply_cors(peer, &files->cors, request);
        if (!is_reading) {
            rj_peer_reply_read_only(peer);
            return true;
        }
        bool is_same = rj_etag_is_known(request->if_none_match, file->etag);
        rj_peer_reply(peer, &(struct rj_response){
                                .status = is_same ? 304 : 200,
                                .type = is_same ? NULL : file->type,
                                .cache = "public, max-age=0",
                                .etag = rj_span_str(file->etag),
                                .body = is_same ? (struct rj_span){0} : rj_buf_span(&file->content),
                            });
        return true;
    }
    return false;
}

void rj_files_free(struct rj_files **taken)
{
    struct rj_files *files = *taken;
    if (!files)
        return;
    *taken = NULL;
    for (size_t i = 0; i < files->n; i++) {
        free(files->files[i].path);
        rj_buf_free(&files->files[i].content);
    }
    free(files->files);
    free(files);
}

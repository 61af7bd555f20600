#include "tests/crash/power_image.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/mem.h"
#include "storage/create.h"
#include "tests/crash/power_disk.h"
#include "tests/crash/store_journal.h"

enum { PAGE = 4096, SECTOR = 512 };

struct file {
    struct rj_buf durable;
    size_t *unsynced; /* indexes of the events that wrote to it or cut it */
    size_t n, cap;
};

/* A name stands for a file; at most a few at a time. */
enum { NAMES = 4, NAME = 32 };

struct names {
    struct {
        char name[NAME];
        uint32_t file;
    } all[NAMES];
    size_t n;
};

struct images {
    size_t at;
    struct file *files;
    size_t n_files;
    struct names durable;
    size_t *unsynced; /* indexes of the events that changed a name */
    size_t n, cap;
};

static _Noreturn void die(const char *why)
{
    fprintf(stderr, "power_image: %s\n", why);
    abort();
}

static void push(size_t **list, size_t *n, size_t *cap, size_t index)
{
    if (*n == *cap)
        *list = rj_realloc(*list, *cap = *cap ? *cap * 2 : 64, sizeof **list);
    (*list)[(*n)++] = index;
}

/* ------------------------------------------------------------------------------------------ names */

static void remove_file(struct names *names, uint32_t file)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->all[i].file == file)
            names->all[i--] = names->all[--names->n];
}

static void set_name(struct names *names, const struct disk_event *event)
{
    struct rj_span name = rj_span_of(event->bytes, event->len);
    remove_file(names, event->file);
    for (size_t i = 0; i < names->n; i++)
        if (rj_span_is(name, names->all[i].name))
            names->all[i--] = names->all[--names->n];
    if (names->n == NAMES || name.len >= NAME)
        die("too many names");
    memcpy(names->all[names->n].name, name.data, name.len);
    names->all[names->n].name[name.len] = '\0';
    names->all[names->n++].file = event->file;
}

static void apply_name(struct names *names, const struct disk_event *event)
{
    if (event->kind == DISK_REMOVED)
        remove_file(names, event->file);
    else
        set_name(names, event);
}

static void sync_names(struct images *images, uint64_t upto)
{
    size_t kept = 0;
    for (size_t i = 0; i < images->n; i++) {
        if (images->unsynced[i] < upto)
            apply_name(&images->durable, disk_event(images->unsynced[i]));
        else
            images->unsynced[kept++] = images->unsynced[i];
    }
    images->n = kept;
}

/* ------------------------------------------------------------------------------------------ contents */

static void set_len(struct rj_buf *buf, size_t len)
{
    if (len > buf->len)
        memset(rj_buf_reserve(buf, len - buf->len), 0, len - buf->len);
    buf->len = len;
}

static void apply_write(struct rj_buf *content, const struct disk_event *event)
{
    size_t end = event->offset + event->len;
    if (event->kind == DISK_CUT) {
        set_len(content, event->offset);
        return;
    }
    if (content->len < end)
        set_len(content, end);
    memcpy(content->data + event->offset, event->bytes, event->len);
}

static struct file *file_of(struct images *images, uint32_t number)
{
    if (number >= images->n_files) {
        size_t n = (size_t)number + 1;
        images->files = rj_realloc(images->files, n, sizeof *images->files);
        memset(images->files + images->n_files, 0, (n - images->n_files) * sizeof *images->files);
        images->n_files = n;
    }
    return &images->files[number];
}

/* A sync takes whole pages: also what older writes left in them. */
static bool is_covered(const struct disk_event *sync, size_t index, const struct disk_event *write)
{
    uint64_t from = sync->offset & ~(uint64_t)(PAGE - 1);
    uint64_t to = (sync->offset + sync->range + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    if (index >= sync->upto)
        return false;
    return sync->range == 0 || (write->offset < to && write->offset + write->len > from);
}

static void sync_content(struct file *file, const struct disk_event *sync)
{
    size_t kept = 0;
    for (size_t i = 0; i < file->n; i++) {
        const struct disk_event *write = disk_event(file->unsynced[i]);
        if (is_covered(sync, file->unsynced[i], write))
            apply_write(&file->durable, write);
        else
            file->unsynced[kept++] = file->unsynced[i];
    }
    file->n = kept;
}

void images_advance(struct images *images, size_t cut)
{
    for (; images->at < cut; images->at++) {
        const struct disk_event *event = disk_event(images->at);
        struct file *file = file_of(images, event->file);
        switch (event->kind) {
        case DISK_CREATED:
        case DISK_RENAMED:
        case DISK_REMOVED: push(&images->unsynced, &images->n, &images->cap, images->at); break;
        case DISK_FOLDER_SYNCED: sync_names(images, event->upto); break;
        case DISK_WRITTEN:
        case DISK_CUT: push(&file->unsynced, &file->n, &file->cap, images->at); break;
        case DISK_SYNCED: sync_content(file, event); break;
        case DISK_NOTED: break;
        }
    }
}

size_t images_unsynced(const struct images *images)
{
    size_t n = images->n;
    for (size_t i = 0; i < images->n_files; i++)
        n += images->files[i].n;
    return n;
}

/* ------------------------------------------------------------------------------------------ begin, end */

static void load(struct rj_buf *out, const char *path)
{
    uint8_t bytes[1 << 16];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot read the base");
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
        rj_buf_put(out, bytes, n);
    fclose(file);
}

struct images *images_new(const char *base)
{
    struct images *images = rj_calloc(1, sizeof *images);
    char path[512];
    snprintf(path, sizeof path, "%s/" RJ_DATA_FILE, base);
    if (access(path, F_OK) == 0) {
        load(&file_of(images, 0)->durable, path);
        strcpy(images->durable.all[0].name, RJ_DATA_FILE);
        images->durable.n = 1;
    }
    return images;
}

void images_free(struct images *images)
{
    for (size_t i = 0; i < images->n_files; i++) {
        rj_buf_free(&images->files[i].durable);
        free(images->files[i].unsynced);
    }
    free(images->files);
    free(images->unsynced);
    free(images);
}

/* ------------------------------------------------------------------------------------------ writing */

/* How hard the failure hits. */
struct failure {
    uint64_t *random;
    unsigned keep; /* of 100, the chance of a write to a unit to be kept */
    size_t unit;
    bool has_junk;
};

static bool happens(uint64_t *random, unsigned percent)
{
    return next_random(random) % 100 < percent;
}

static void put_junk(struct rj_buf *content, size_t from, size_t to, uint64_t *random)
{
    for (size_t i = from; i < to && i < content->len; i++)
        content->data[i] = (uint8_t)next_random(random);
}

/* Applies of one write the units that are kept. `lost` has a mark for each unit of the file whose later
 * writes are lost, too: the disk never has a newer version of a unit without an older one. */
static void apply_some(struct rj_buf *content, const struct disk_event *write, uint8_t *lost,
                       const struct failure *failure)
{
    size_t at = write->offset, end = write->offset + write->len;
    while (at < end) {
        size_t unit = at / failure->unit, unit_end = (unit + 1) * failure->unit;
        size_t upto = unit_end < end ? unit_end : end;
        if (!lost[unit] && happens(failure->random, failure->keep)) {
            if (content->len < upto)
                set_len(content, upto);
            memcpy(content->data + at, write->bytes + (at - write->offset), upto - at);
        } else {
            bool was_never_written = !lost[unit] && at >= content->len;
            lost[unit] = 1;
            if (was_never_written && failure->has_junk) {
                set_len(content, upto);
                put_junk(content, at, upto, failure->random);
            }
        }
        at = upto;
    }
}

static size_t longest(const struct file *file)
{
    size_t len = file->durable.len;
    for (size_t i = 0; i < file->n; i++) {
        const struct disk_event *write = disk_event(file->unsynced[i]);
        size_t end = write->offset + write->len;
        len = end > len ? end : len;
    }
    return len;
}

/* With no `failure` all is kept. */
static void make_content(const struct file *file, const struct failure *failure, struct rj_buf *content)
{
    size_t most = longest(file);
    rj_buf_put(content, file->durable.data, file->durable.len);
    uint8_t *lost = rj_calloc(most / SECTOR + 1, 1);
    for (size_t i = 0; i < file->n; i++) {
        const struct disk_event *write = disk_event(file->unsynced[i]);
        if (!failure)
            apply_write(content, write);
        else if (write->kind == DISK_WRITTEN)
            apply_some(content, write, lost, failure);
        else if (happens(failure->random, failure->keep))
            apply_write(content, write);
        else
            break; /* what follows a cut that is lost, would not have been there without it */
    }
    free(lost);
    if (failure && content->len < most && happens(failure->random, 50))
        set_len(content, content->len + next_random(failure->random) % (most - content->len + 1));
}

static void empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[512];
    if (!dir) {
        if (mkdir(folder, 0700) < 0)
            die("cannot make the folder of an image");
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%.200s", folder, entry->d_name);
        unlink(path);
    }
    closedir(dir);
}

static void write_file(const char *folder, const char *name, const struct rj_buf *content)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || (content->len && fwrite(content->data, content->len, 1, file) != 1) || fclose(file))
        die("cannot write an image");
}

static void write_folder(const struct images *images, const struct names *names,
                         const struct failure *failure, const char *folder)
{
    empty_folder(folder);
    for (size_t i = 0; i < names->n; i++) {
        struct rj_buf content = {0};
        make_content(&images->files[names->all[i].file], failure, &content);
        write_file(folder, names->all[i].name, &content);
        rj_buf_free(&content);
    }
}

void images_write(const struct images *images, uint64_t *random, const char *folder)
{
    static const unsigned keeps[] = {0, 20, 50, 80, 95, 100};
    struct failure failure = {
        .random = random,
        .keep = keeps[next_random(random) % (sizeof keeps / sizeof keeps[0])],
        .unit = happens(random, 50) ? PAGE : SECTOR,
        .has_junk = happens(random, 25),
    };
    struct names names = images->durable;
    size_t kept = next_random(random) % (images->n + 1);
    for (size_t i = 0; i < kept; i++)
        apply_name(&names, disk_event(images->unsynced[i]));
    write_folder(images, &names, &failure, folder);
}

void images_write_all(const struct images *images, const char *folder)
{
    struct names names = images->durable;
    for (size_t i = 0; i < images->n; i++)
        apply_name(&names, disk_event(images->unsynced[i]));
    write_folder(images, &names, NULL, folder);
}

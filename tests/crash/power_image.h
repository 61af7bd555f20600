/* What a disk may hold after the power has failed: everything that was synced, and of the rest what chance
 * has kept, page by page. Made from a trace of power_disk.h; the trace must not grow meanwhile.
 */
#ifndef RJ_TEST_POWER_IMAGE_H
#define RJ_TEST_POWER_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct images;

/* Begins before the first event, with the files that `base` holds now for a trace that was recorded on a copy
 * of it. */
struct images *images_new(const char *base);
void images_free(struct images *images);

/* Moves on to the moment before event `cut`, which never falls. */
void images_advance(struct images *images, size_t cut);

/* How many writes are not synced at this moment. */
size_t images_unsynced(const struct images *images);

/* Writes a folder as the power failure may have left it. Of each page, or with luck of each sector of 512
 * bytes, the last so many unsynced writes are lost; what lies between and was never written is zero or junk;
 * of the unsynced changes of names, the last so many are lost. */
void images_write(const struct images *images, uint64_t *random, const char *folder);

/* Writes all that was written, as if no power had failed. */
void images_write_all(const struct images *images, const char *folder);

#endif

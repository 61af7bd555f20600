/* Unguessable identifiers, from the kernel's random source. */
#ifndef RJ_RANDOM_H
#define RJ_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { RJ_ID_LEN = 22 }; /* 128 bits in unpadded base64url */

/* Fills `len` bytes; aborts if the kernel has none to give. */
void rj_random_bytes(void *out, size_t len);

uint64_t rj_random_u64(void);

/* A fresh id of 128 random bits as RJ_ID_LEN URL-safe characters and a NUL. */
void rj_random_id(char out[static RJ_ID_LEN + 1]);

#endif

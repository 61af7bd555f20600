/* What every fuzz target starts with. A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput; seeds
 * stand in corpus/NAME. It checks properties, not only the absence of crashes: HOLDS(condition) ends the run.
 */
#ifndef RJ_FUZZ_H
#define RJ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLDS(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            dprintf(STDERR_FILENO, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);            \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

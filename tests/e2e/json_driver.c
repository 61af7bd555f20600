/* Tells what proto/base/json.h makes of texts, for json_differential.test.mjs.
 *
 * Standard input: texts, each behind its length in bytes as a 32-bit little-endian number. Standard output:
 * one line a text, "bad_request", "too_large", or the type of the value. An argument sets the depth limit. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/json.h"

static const char *const types[] = {
    [RJ_JSON_NULL] = "null",     [RJ_JSON_BOOL] = "boolean", [RJ_JSON_NUMBER] = "number",
    [RJ_JSON_STRING] = "string", [RJ_JSON_ARRAY] = "array",  [RJ_JSON_OBJECT] = "object",
};

/* False at the end of the input. */
static bool read_length(size_t *len)
{
    uint8_t bytes[4];
    if (fread(bytes, 1, sizeof bytes, stdin) != sizeof bytes)
        return false;
    *len = (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
    return true;
}

int main(int argc, char **argv)
{
    unsigned depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : RJ_JSON_DEPTH;
    size_t len;
    while (read_length(&len)) {
        /* Exactly as large as the text, so that the address sanitizer sees a read past its end. */
        uint8_t *text = malloc(len > 0 ? len : 1);
        if (!text || fread(text, 1, len, stdin) != len) {
            fputs("json_driver: the input ends inside a text\n", stderr);
            free(text);
            return 1;
        }
        struct rj_span span = {text, len};
        enum rj_status status = rj_json_check(span, depth);
        puts(status ? rj_status_code(status) : types[rj_json_type(span)]);
        free(text);
    }
    return 0;
}

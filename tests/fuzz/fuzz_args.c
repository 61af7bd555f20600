/* The arguments of events, answers, asks and notes as backends and gateways hand them to the broker: a byte
 * for the number of attachments, then the text.
 */
#include "broker/messages/history.h"
#include "broker/serving/args.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_BYTES = 200, EACH = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[EACH];
    ProtobufCBinaryData attachments[RJ_ATTACHMENTS_MAX + 2];
    const char *why = NULL;
    if (size < 1)
        return 0;
    size_t n = data[0] % (RJ_ATTACHMENTS_MAX + 3);
    for (size_t i = 0; i < n; i++)
        attachments[i] = (ProtobufCBinaryData){EACH, bytes};
    struct rj_span args = rj_span_of(data + 1, size - 1);
    enum rj_status status = rj_args_check(args, attachments, n, MOST_BYTES, &why);
    HOLDS((status == RJ_OK) == (why == NULL));
    if (status != RJ_OK)
        return 0;
    HOLDS(n <= RJ_ATTACHMENTS_MAX && args.len + n * EACH <= MOST_BYTES);
    if (args.len == 0) {
        HOLDS(n == 0);
        return 0;
    }
    HOLDS(rj_json_check(args, RJ_JSON_DEPTH) == RJ_OK && rj_json_type(args) == RJ_JSON_ARRAY);
    HOLDS(rj_placeholders_are_valid(args, n));
    return 0;
}

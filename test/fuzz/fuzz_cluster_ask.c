/*
 * A forwarded command, and the reply to one. What can be read can be written and read again.
 */
#include "fuzz.h"

#include "cluster/reread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)reread_ask(bytes_of(data, size));
    (void)reread_reply(bytes_of(data, size));
    return 0;
}

/*
 * An opaque request of another node, or an answer. What can be read can be written and read again.
 */
#include "fuzz.h"

#include "cluster/reread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)reread_request(bytes_of(data, size));
    return 0;
}

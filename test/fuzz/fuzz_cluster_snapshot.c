/*
 * A snapshot of the document, and a charter. What can be read can be written and read again.
 */
#include "fuzz.h"

#include "cluster/reread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)reread_snapshot(bytes_of(data, size));
    (void)reread_charter(bytes_of(data, size));
    return 0;
}

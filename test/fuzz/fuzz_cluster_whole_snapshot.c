/*
 * A snapshot as it is on disk and as it is fetched: its place, the members, the document. What can be read can be written and read again.
 */
#include "fuzz.h"

#include "cluster/reread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)reread_whole_snapshot(bytes_of(data, size));
    return 0;
}

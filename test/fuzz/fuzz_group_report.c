/*
 * A member's report. What can be read is within its bounds, and can be written and read again.
 */
#include "fuzz.h"

#include "topology/group.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unpack in = unpack_of(bytes_of(data, size)), again;
    uint8_t first[GROUP_REPORT_BYTES_MAX], second[GROUP_REPORT_BYTES_MAX];
    struct group_report report, back;
    struct buf a, b;

    if (!group_report_decode(&in, &report))
        return 0;
    must(report.state < ENGINE_STATES && report.role < ENGINE_ROLES);
    must(report.life.member != 0 && report.life.incarnation != 0);
    must(memchr(report.sentence, 0, sizeof report.sentence));
    buf_over(&a, first, sizeof first);
    group_report_encode(&a, &report);
    must(!a.full);
    again = unpack_of(buf_bytes(&a));
    must(group_report_decode(&again, &back));
    buf_over(&b, second, sizeof second);
    group_report_encode(&b, &back);
    must(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    return 0;
}

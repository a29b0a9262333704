#include "cluster/level.h"

void level_judge(uint16_t level, const struct level_member *members, uint32_t count,
                 struct level_verdict *verdict)
{
    uint16_t least = UINT16_MAX;

    must(level > 0 || count == 0);
    *verdict = (struct level_verdict){.next = level};
    for (uint32_t i = 0; i < count; i++) {
        uint16_t understands = members[i].understands;

        if (understands > verdict->next)
            verdict->next = understands;
        if (!members[i].heard)
            understands = 0;
        if (understands < least)
            least = understands;
    }
    if (count > 0 && least > level)
        verdict->raise_to = least;
    must(verdict->raise_to <= verdict->next);
}

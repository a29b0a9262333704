#include "story.h"

#include <stdarg.h>

void story_tell(struct story *story, int64_t at_ns, int host, const char *format, ...)
{
    char *line = story->lines[story->told++ % STORY_LINES];
    int used = snprintf(line, STORY_LINE, "[%3lld.%06lld] ", (long long)(at_ns / 1000000000),
                        (long long)(at_ns / 1000 % 1000000));
    va_list args;

    used += host < 0 ? snprintf(line + used, STORY_LINE - (size_t)used, "   ")
                     : snprintf(line + used, STORY_LINE - (size_t)used, "%d  ", host + 1);
    va_start(args, format);
    (void)vsnprintf(line + used, STORY_LINE - (size_t)used, format, args);
    va_end(args);
}

void story_print(const struct story *story, uint32_t lines, FILE *to)
{
    uint64_t kept = story->told < STORY_LINES ? story->told : STORY_LINES;
    uint64_t first = story->told - (lines < kept ? lines : kept);

    if (first > 0)
        fprintf(to, "... %llu lines before\n", (unsigned long long)first);
    for (uint64_t i = first; i < story->told; i++)
        fprintf(to, "%s\n", story->lines[i % STORY_LINES]);
}

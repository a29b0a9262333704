/*
 * Whatever a line says, an answer to the order that was given comes of it: within its bounds, and with a sentence where it is not DONE.
 */
#include "engine/script.h"
#include "fuzz.h"

#include <string.h>

static const struct engine_member members[] = {
    {.member = 1, .name = "a"}, {.member = 2, .name = "b"}, {.member = 3, .name = "c"}};
static const struct script_scene scene = {"g", "a", members, 3};

static void check(const struct engine_answer *answer, enum engine_verb verb)
{
    must(answer->verb == verb && answer->epoch == 12);
    must((answer->outcome == ENGINE_DONE) == (answer->sentence[0] == '\0'));
    must(memchr(answer->sentence, '\0', sizeof answer->sentence));
    must(memchr(answer->status.sentence, '\0', sizeof answer->status.sentence));
    must(answer->status.state < ENGINE_STATES && answer->status.role < ENGINE_ROLES);
    must(answer->status.follower_count <= GROUP_MEMBERS_MAX);
    must(answer->status.progress <= SCRIPT_PROGRESS_MAX);
    must(answer->status.primary <= 3);
    for (uint32_t i = 0; i < answer->status.follower_count; i++)
        must(answer->status.followers[i].member >= 1 && answer->status.followers[i].member <= 3);
    if (answer->outcome == ENGINE_DONE && verb == ENGINE_PROMISE)
        must(answer->status.promised >= 12);
    if (answer->outcome == ENGINE_DONE && verb == ENGINE_PROMOTE)
        must(answer->status.role == ENGINE_PRIMARY && answer->status.epoch == 12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int verb = 0; verb < ENGINE_VERBS; verb++) {
        const struct engine_order order = {
            .verb = (enum engine_verb)verb, .epoch = 12, .timeout_ms = 1};
        struct engine_answer answer;

        script_read(bytes_of(data, size), &order, 7, &scene, &answer);
        check(&answer, order.verb);
    }
    return 0;
}

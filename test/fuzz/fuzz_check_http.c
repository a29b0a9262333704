/*
 * A check's outcome does not depend on the pieces in which the answer comes, and what is healthy has a status that was expected.
 */
#include "base/must.h"
#include "fuzz.h"
#include "health/check_http.h"

/* Two methods in an image: HEAD at 8, GET by its absence. */
static const char texts[] = "\0\0\0\0\0\0\0\0HEAD";

struct judged {
    enum health_outcome outcome;
    uint16_t status;
};

static struct judged judge(bool head, struct bytes answer, size_t piece)
{
    struct health_check check = {.expect_low = 200, .expect_high = 399};
    struct image image = {(const uint8_t *)texts, sizeof texts};
    struct judged judged;
    struct check_http http;
    bool decided = false;

    if (head)
        check.method = (struct ref){8, 4};
    check_http_init(&http, &check, image);
    while (!decided && answer.len > 0) {
        struct bytes part = bytes_take(answer, piece);

        decided = check_http_take(&http, part, &judged.outcome);
        answer = bytes_skip(answer, part.len);
    }
    if (!decided)
        judged.outcome = check_http_end(&http);
    judged.status = http.status;
    must(judged.outcome != HEALTH_GARBAGE || http.why);
    must(judged.outcome != HEALTH_OK || (http.status >= 200 && http.status <= 399));
    must(judged.outcome != HEALTH_BAD_STATUS || http.status < 200 || http.status > 399);
    check_http_fini(&http);
    return judged;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes answer = bytes_of(data, size);

    for (int head = 0; head < 2; head++) {
        struct judged whole = judge(head, answer, size ? size : 1);

        for (size_t piece = 1; piece < 100; piece *= 3) {
            struct judged parted = judge(head, answer, piece);

            must(parted.outcome == whole.outcome && parted.status == whole.status);
        }
    }
    return 0;
}

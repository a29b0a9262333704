/*
 * Requests and answers as they should be.
 */
#include "world.h"

static void an_answer_reaches_its_client(void **state)
{
    struct world *w = begin(state, ONE_BACKEND);
    struct peer *client = dial(w), *server;

    say(w, client, GET);
    server = admit(w, 0);
    hear(w, server, "\r\n\r\n");
    say(w, server, OK);
    hear(w, client, "\r\n\r\nok");
    assert_string_equal(client->text, OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_answer_reaches_its_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

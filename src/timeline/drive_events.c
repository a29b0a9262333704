/*
 * Asks all nodes at once, waits for every answer (each is bounded by its timeout), and prints the page. A query that waits for news asks again
 * when this node has some, and every so often for those of the others.
 */
#include "timeline/events.h"

#include "base/json.h"
#include "net/net.h"
#include "timeline/page.h"

#include <stdlib.h>

enum {
    LEGS_MAX = EVENTS_NODES_MAX + 1,
    TIMEOUT_MS = 2000,
    TIMEOUT_WAITING_MS = 700, /* a frozen node must not hide for long what the others saw */
    AGAIN_MS = 500,
    AGAIN_NEWS_MS = 50,
    PAGE_BYTES_MAX = 3 << 20,
};

_Static_assert((int)LEGS_MAX <= (int)MERGE_INPUTS_MAX && (int)LEGS_MAX <= (int)QUERY_PLACES_MAX,
               "all nodes fit");
_Static_assert((int)EVENTS_WAIT_MAX_MS == (int)QUERY_WAIT_MAX_MS, "the query checks the bound");

struct leg {
    struct events_ask *ask;
    bool waiting;
    struct buf bytes; /* of the reply */
    struct page_leg page;
};

struct events_ask {
    struct events *events;
    events_answered *answered; /* NULL: free */
    void *context;
    struct query query;
    struct err wrong; /* kind not 0: the query is */
    struct instant until;
    uint32_t count, waiting; /* of legs */
    struct leg legs[LEGS_MAX];
    struct timer again;
};

struct events {
    struct events_options options;
    char node[FACT_NODE_MAX];
    struct events_ask asks[EVENTS_ASKS_MAX];
};

/* ---- the end of an ask ---- */

static void free_legs(struct events_ask *ask)
{
    for (uint32_t i = 0; i < ask->count; i++)
        buf_fini(&ask->legs[i].bytes);
    ask->count = 0;
}

static void answer(struct events_ask *ask, uint16_t status, const struct buf *json)
{
    events_answered *answered = ask->answered;

    free_legs(ask);
    ask->answered = NULL;
    answered(ask->context, status, buf_bytes(json));
}

static void answer_error(struct events_ask *ask, uint16_t status, const char *sentence)
{
    char storage[6 * ERR_TEXT_MAX + 64];
    struct json json;
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    json_init(&json, &out);
    json_begin_object(&json);
    json_key(&json, "error");
    json_add_string(&json, sentence);
    json_end(&json);
    buf_add_byte(&out, '\n');
    answer(ask, status, &out);
}

static void answer_page(struct events_ask *ask)
{
    struct page_leg legs[LEGS_MAX];
    struct buf out;

    for (uint32_t i = 0; i < ask->count; i++)
        legs[i] = ask->legs[i].page;
    buf_init(&out, PAGE_BYTES_MAX);
    page_print(&ask->query, legs, ask->count, &out);
    if (out.full)
        answer_error(ask, 500, "the answer is larger than its limit: ask with a smaller one");
    else
        answer(ask, 200, &out);
    buf_fini(&out);
}

/* ---- one round ---- */

static void end_round(struct events_ask *ask)
{
    struct loop *loop = ask->events->options.loop;
    struct page_leg legs[LEGS_MAX];

    for (uint32_t i = 0; i < ask->count; i++)
        legs[i] = ask->legs[i].page;
    if (page_facts(legs, ask->count) || passed(ask->until, loop_now(loop)))
        answer_page(ask);
    else
        timer_arm(loop, &ask->again, earlier(ask->until, after_ms(loop_now(loop), AGAIN_MS)));
}

static void end_leg(struct leg *leg)
{
    struct events_ask *ask = leg->ask;

    must(leg->waiting && ask->waiting > 0);
    leg->waiting = false;
    if (--ask->waiting == 0)
        end_round(ask);
}

static void say_why(struct leg *leg, const char *why)
{
    leg->page.answered = false;
    bytes_to_string(bytes_of_string(why), leg->page.why, sizeof leg->page.why);
}

static void read_reply(struct leg *leg, struct bytes bytes)
{
    struct page_leg *page = &leg->page;
    const char *why;

    buf_add(&leg->bytes, bytes);
    if (leg->bytes.full)
        say_why(leg, "no memory for its answer");
    else if (!exchange_read_reply(buf_bytes(&leg->bytes), &page->reply, &why))
        say_why(leg, why);
    else if (page->reply.sentence[0])
        say_why(leg, page->reply.sentence);
    else
        page->answered = true;
    if (page->answered)
        (void)timeline_heard(leg->ask->events->options.timeline, page->reply.now);
}

static void on_answered(void *context, struct bytes reply)
{
    struct leg *leg = context;

    read_reply(leg, reply);
    end_leg(leg);
}

static void on_replied(void *context, const char *sentence, struct bytes bytes)
{
    struct leg *leg = context;

    if (sentence)
        say_why(leg, sentence);
    else
        read_reply(leg, bytes);
    end_leg(leg);
}

static void add_leg(struct events_ask *ask, const char *node)
{
    struct leg *leg = &ask->legs[ask->count];

    if (ask->query.node[0] && strcmp(ask->query.node, node) != 0)
        return;
    *leg = (struct leg){.ask = ask, .waiting = true};
    bytes_to_string(bytes_of_string(node), leg->page.node, sizeof leg->page.node);
    buf_init(&leg->bytes, EXCHANGE_REPLY_MAX);
    ask->count++;
}

static void begin_leg(struct events_ask *ask, struct leg *leg)
{
    const struct events_options *options = &ask->events->options;
    struct exchange_request request = query_request(&ask->query, leg->page.node);
    uint8_t storage[EXCHANGE_REQUEST_MAX];
    struct buf bytes;

    request.now = timeline_now(options->timeline);
    buf_over(&bytes, storage, sizeof storage);
    exchange_add_request(&request, &bytes);
    must(!bytes.full);
    if (strcmp(leg->page.node, ask->events->node) != 0) {
        options->request(options->context, leg->page.node, buf_bytes(&bytes),
                         ask->query.wait_ms ? TIMEOUT_WAITING_MS : TIMEOUT_MS, on_replied, leg);
    } else if (!timeline_ask(options->timeline, buf_bytes(&bytes), on_answered, leg)) {
        say_why(leg, "too many ask it at once");
        leg->waiting = false;
        ask->waiting--;
    }
}

static void begin_round(struct events_ask *ask)
{
    const struct events_options *options = &ask->events->options;
    const char *names[EVENTS_NODES_MAX];
    uint32_t others = options->others(options->context, names);

    must(others <= EVENTS_NODES_MAX);
    free_legs(ask);
    add_leg(ask, ask->events->node);
    for (uint32_t i = 0; i < others; i++)
        add_leg(ask, names[i]);
    if (ask->count == 0) {
        answer_error(ask, 404, "there is no such node");
        return;
    }
    ask->waiting = ask->count;
    for (uint32_t i = 0; i < ask->count; i++)
        begin_leg(ask, &ask->legs[i]);
    if (ask->waiting == 0)
        end_round(ask);
}

static void on_again(struct timer *timer)
{
    struct events_ask *ask = container_of(timer, struct events_ask, again);

    if (ask->wrong.kind != ERR_NONE)
        answer_error(ask, 400, ask->wrong.text);
    else
        begin_round(ask);
}

/* ---- asking ---- */

static struct events_ask *free_ask(struct events *events)
{
    for (uint32_t i = 0; i < EVENTS_ASKS_MAX; i++)
        if (!events->asks[i].answered)
            return &events->asks[i];
    return NULL;
}

bool events_ask(struct events *events, struct bytes query, events_answered *answered, void *context)
{
    struct loop *loop = events->options.loop;
    struct events_ask *ask = free_ask(events);
    int64_t now_ms = loop_read_clock(loop, LOOP_WALL).ns / NS_PER_MS;

    if (!ask)
        return false;
    ask->answered = answered;
    ask->context = context;
    ask->wrong.kind = ERR_NONE;
    if (!query_read(query, now_ms, &ask->query, &ask->wrong))
        ask->query = (struct query){0};
    ask->until = after_ms(loop_now(loop), ask->query.wait_ms);
    timer_arm(loop, &ask->again, loop_now(loop));
    return true;
}

void events_news(struct events *events)
{
    struct loop *loop = events->options.loop;
    struct instant soon = after_ms(loop_now(loop), AGAIN_NEWS_MS);

    for (uint32_t i = 0; i < EVENTS_ASKS_MAX; i++) {
        struct timer *again = &events->asks[i].again;

        if (timer_armed(again) && again->at.ns > soon.ns)
            timer_arm(loop, again, soon);
    }
}

/* ---- life ---- */

bool events_open(struct events **opened, const struct events_options *options, struct err *err)
{
    struct events *events = calloc(1, sizeof *events);

    if (!events)
        return err_set(err, ERR_LIMIT, "no memory for events");
    events->options = *options;
    bytes_to_string(bytes_of_string(options->node), events->node, sizeof events->node);
    for (uint32_t i = 0; i < EVENTS_ASKS_MAX; i++) {
        events->asks[i].events = events;
        timer_init(&events->asks[i].again, on_again);
    }
    *opened = events;
    return true;
}

void events_close(struct events *events)
{
    if (!events)
        return;
    for (uint32_t i = 0; i < EVENTS_ASKS_MAX; i++) {
        timer_cancel(events->options.loop, &events->asks[i].again);
        free_legs(&events->asks[i]);
    }
    free(events);
}

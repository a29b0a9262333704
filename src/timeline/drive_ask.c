/*
 * Answers from memory where that reaches far enough back, else from the disk, by a job; what has not come to the disk yet is added from memory.
 */
#include "timeline/drive.h"

#include <stdlib.h>

static void finish(struct ask *ask)
{
    struct timeline *timeline = ask->timeline;
    timeline_answered *answered = ask->answered;
    uint8_t *storage = malloc(EXCHANGE_REPLY_MAX);
    struct buf reply;

    if (!storage || !selection_finish(&ask->selection, &ask->reply))
        bytes_to_string(BYTES("no memory for the answer"), ask->reply.sentence,
                        sizeof ask->reply.sentence);
    bytes_to_string(bytes_of_string(timeline->node), ask->reply.node, sizeof ask->reply.node);
    ask->reply.now = timeline_now(timeline);
    buf_over(&reply, storage, storage ? EXCHANGE_REPLY_MAX : 0);
    exchange_add_reply(&ask->reply, &reply);
    selection_fini(&ask->selection);
    ask->answered = NULL;
    answered(ask->context, buf_bytes(&reply));
    free(storage);
}

static void add_recent(struct ask *ask)
{
    const struct recent *recent = &ask->timeline->recent;

    for (uint32_t i = 0; i < recent->count; i++)
        selection_offer(&ask->selection, recent_at(recent, i));
}

/* ---- from the disk ---- */

static void offer(void *context, const struct fact *fact)
{
    struct selection *selection = context;

    if (fact->code == 0)
        selection_begin_origin(selection, fact->origin);
    else
        selection_offer(selection, fact);
}

static void on_work(struct job *job)
{
    struct ask *ask = container_of(job, struct ask, job);
    struct err err;

    ask->reply.partial = !timeline_store_read(&ask->timeline->store, offer, &ask->selection, &err);
}

static void on_read(struct job *job)
{
    struct ask *ask = container_of(job, struct ask, job);

    add_recent(ask);
    finish(ask);
}

/* ---- from memory ---- */

/* Whether what is in memory says it all: then nothing older could have been taken. */
static bool reaches(const struct ask *ask)
{
    const struct timeline *timeline = ask->timeline;
    const struct exchange_request *request = &ask->selection.request;
    const struct recent *recent = &timeline->recent;

    if (!timeline->jobs || timeline->recent_is_all)
        return true;
    if (recent->count && request->since_ms > recent_at(recent, 0)->at.wall_ms + MOMENT_AHEAD_MAX_MS)
        return true;
    if (request->newest)
        return ask->selection.more || ask->selection.count == request->limit;
    return ask->selection.found;
}

static void on_soon(struct timer *timer)
{
    finish(container_of(timer, struct ask, soon));
}

static struct ask *free_ask(struct timeline *timeline)
{
    for (uint32_t i = 0; i < TIMELINE_ASKS_MAX; i++)
        if (!timeline->asks[i].answered)
            return &timeline->asks[i];
    return NULL;
}

bool timeline_ask(struct timeline *timeline, struct bytes bytes, timeline_answered *answered,
                  void *context)
{
    struct exchange_request request = {.newest = true, .limit = 1};
    struct ask *ask = free_ask(timeline);
    struct loop *loop = timeline->options.loop;
    const char *why;
    bool understood;

    if (!ask)
        return false;
    ask->answered = answered;
    ask->context = context;
    ask->reply = (struct exchange_reply){0};
    understood = exchange_read_request(bytes, &request, &why);
    selection_init(&ask->selection, &request);
    if (understood)
        (void)timeline_heard(timeline, request.now);
    else
        bytes_to_string(bytes_of_string(why), ask->reply.sentence, sizeof ask->reply.sentence);
    if (understood)
        add_recent(ask);
    if (!understood || reaches(ask)) {
        timer_arm(loop, &ask->soon, loop_now(loop));
        return true;
    }
    selection_fini(&ask->selection);
    selection_init(&ask->selection, &request);
    jobs_add(timeline->jobs, &ask->job);
    return true;
}

void asks_init(struct timeline *timeline)
{
    for (uint32_t i = 0; i < TIMELINE_ASKS_MAX; i++) {
        timeline->asks[i] =
            (struct ask){.timeline = timeline, .job = {.work = on_work, .done = on_read}};
        timer_init(&timeline->asks[i].soon, on_soon);
    }
}

void asks_fini(struct timeline *timeline)
{
    for (uint32_t i = 0; i < TIMELINE_ASKS_MAX; i++) {
        timer_cancel(timeline->options.loop, &timeline->asks[i].soon);
        selection_fini(&timeline->asks[i].selection);
    }
}

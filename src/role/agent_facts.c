/*
 * Facts: onto the timeline and into the log, one line each; and what other nodes ask about them.
 */
#include "role/agent_cluster.h"
#include "role/log.h"
#include "topology/fact.h"
#include "wal/disk.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void agent_take_fact(struct agent_cluster *agent, const struct fact *fact)
{
    static const enum log_level levels[SEVERITIES] = {LOG_INFO, LOG_WARNING, LOG_ERROR};
    const struct code_row *row = code_find(fact->code);
    char code[CODE_TEXT_MAX];
    const struct log_field fields[] = {
        log_text("event.code", code_print(fact->code, code)),
        log_text("event.action", row ? row->name : "unknown"),
        log_text("nines.subject", fact->subject),
        log_number("nines.epoch", (int64_t)fact->epoch),
    };

    timeline_record(agent->timeline, fact);
    count(&agent->role->board->cluster.facts, 1);
    log_write(row ? levels[row->severity] : LOG_WARNING, fact->text, fields, ARRAY_LEN(fields));
}

/* ---- what other nodes ask ---- */

static void on_timeline_answered(void *context, struct bytes reply)
{
    struct agent_request *request = context;
    struct agent_cluster *agent = request->owner;

    request->owner = NULL;
    if (agent->cluster)
        cluster_answer(agent->cluster, request->ticket, reply);
}

static void refuse(struct agent_cluster *agent, uint64_t ticket, const char *sentence)
{
    struct exchange_reply reply = {.now = timeline_now(agent->timeline)};
    uint8_t storage[1024];
    struct buf out;

    snprintf(reply.node, sizeof reply.node, "%s", agent->role->node);
    snprintf(reply.sentence, sizeof reply.sentence, "%s", sentence);
    buf_over(&out, storage, sizeof storage);
    exchange_add_reply(&reply, &out);
    cluster_answer(agent->cluster, ticket, buf_bytes(&out));
}

static struct agent_request *free_request(struct agent_cluster *agent)
{
    for (uint32_t i = 0; i < AGENT_REQUESTS_MAX; i++)
        if (!agent->requests[i].owner)
            return &agent->requests[i];
    return NULL;
}

void agent_facts_on_request(struct agent_cluster *agent, const char *node, uint64_t ticket,
                            struct bytes bytes)
{
    struct agent_request *request = free_request(agent);

    (void)node;
    if (request) {
        *request = (struct agent_request){agent, ticket};
        if (timeline_ask(agent->timeline, bytes, on_timeline_answered, request))
            return;
        request->owner = NULL;
    }
    refuse(agent, ticket, "too many ask about the timeline at once");
}

/* ---- what this node asks the others ---- */

static uint32_t other_nodes(void *context, const char **names)
{
    struct agent_cluster *agent = context;
    const struct cluster_view *view = agent->cluster ? cluster_view(agent->cluster) : NULL;
    uint32_t count = 0;

    for (uint32_t i = 0; view && i < view->member_count; i++) {
        const struct cluster_member_view *member = &view->members[i];

        if (member->member == 0 || strcmp(member->name, view->node) == 0 ||
            count == CLUSTER_NODES_MAX || count == EVENTS_NODES_MAX)
            continue;
        memcpy(agent->names[count], member->name, sizeof agent->names[count]);
        names[count] = agent->names[count];
        count++;
    }
    return count;
}

static void request_of(void *context, const char *node, struct bytes bytes, int64_t timeout_ms,
                       events_replied *replied, void *reply_context)
{
    struct agent_cluster *agent = context;
    uint8_t storage[1 + EXCHANGE_REQUEST_MAX];
    struct buf out;

    must(agent->cluster);
    buf_over(&out, storage, sizeof storage);
    buf_add_byte(&out, REQUEST_TIMELINE);
    buf_add(&out, bytes);
    must(!out.full);
    cluster_request(agent->cluster, node, buf_bytes(&out), timeout_ms, replied, reply_context);
}

/* ---- life ---- */

static void on_disk_state(void *context, const struct err *err)
{
    (void)context;
    if (err)
        log_warning("facts are kept in memory only", log_text("error.message", err->text));
    else
        log_info("facts are written to the disk again");
}

static void on_news(void *context)
{
    struct agent_cluster *agent = context;

    if (agent->events)
        events_news(agent->events);
}

/* A timeline whose files are damaged is shorter, not absent: it begins in memory, and the files are left for whoever looks into it. */
static bool open_timeline(struct agent_cluster *agent, struct timeline_options *options,
                          struct err *err)
{
    if (timeline_open(&agent->timeline, options, err))
        return true;
    log_error("the timeline cannot be read; it begins anew, in memory",
              log_text("error.message", err->text));
    options->disk = NULL;
    return timeline_open(&agent->timeline, options, err);
}

/* How the run before ended, by the newest fact about an end or a beginning that is still in memory. */
static enum fact_code beginning_after(const struct timeline *timeline)
{
    const struct fact *fact;

    for (uint32_t i = 0; (fact = timeline_recent(timeline, i)); i++) {
        if (fact->code == FACT_AGENT_STOPPED)
            return FACT_AGENT_STARTED;
        if (fact->code == FACT_AGENT_STARTED || fact->code == FACT_AGENT_WAS_KILLED)
            return FACT_AGENT_WAS_KILLED;
    }
    return FACT_AGENT_STARTED;
}

static void record_start(struct agent_cluster *agent)
{
    enum fact_code code = beginning_after(agent->timeline);
    struct fact fact;

    fact_init(&fact, code, SUBJECT_NODE, agent->role->node);
    fact_say(&fact,
             code == FACT_AGENT_STARTED
                 ? "nines %s started on %s"
                 : "nines %s started on %s after a run without an orderly end",
             NINES_VERSION, agent->role->node);
    agent_take_fact(agent, &fact);
}

void agent_facts_close(struct agent_cluster *agent)
{
    events_close(agent->events);
    timeline_close(agent->timeline);
    disk_close(agent->facts_disk);
    agent->events = NULL;
    agent->timeline = NULL;
    agent->facts_disk = NULL;
}

bool agent_facts_open(struct agent_cluster *agent, const char *directory, struct err *err)
{
    struct timeline_options options = {.loop = agent->role->loop,
                                       .node = agent->role->node,
                                       .disk_state = on_disk_state,
                                       .news = on_news,
                                       .context = agent};
    struct events_options events = {.loop = agent->role->loop,
                                    .node = agent->role->node,
                                    .others = other_nodes,
                                    .request = request_of,
                                    .context = agent};

    if (getrandom(&options.seed, sizeof options.seed, 0) != sizeof options.seed)
        return err_system(err, "draw a seed");
    if (!disk_open(&agent->facts_disk, directory, err))
        return false;
    options.disk = agent->facts_disk;
    if (!open_timeline(agent, &options, err)) {
        disk_close(agent->facts_disk);
        agent->facts_disk = NULL;
        return false;
    }
    record_start(agent);
    events.timeline = agent->timeline;
    if (events_open(&agent->events, &events, err))
        return true;
    agent_facts_close(agent);
    return false;
}

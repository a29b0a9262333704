#include "role/agent_cluster.h"

#include "base/hash.h"
#include "base/own.h"
#include "net/tls.h"
#include "role/agent_groups.h"
#include "role/log.h"
#include "topology/fact.h"
#include "wal/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    SHOW_MS = 500, /* the board is never older while all is well */
    RETRY_MS = 10000,
    STOP_MS = 1500,   /* the supervisor allows two seconds */
    GIVE_MS = 900,    /* of these, for groups and addresses to go elsewhere */
    EXPIRY_DAYS = 21, /* with fewer left, it is said */
    DAY_S = 86400,
    SETTLE_MS = 10, /* between looks whether the last facts are durable */
    PEM_MAX = 64 << 10,
    HASHED_MAX = 4 << 20,
    PPM_PER_HUNDREDTH = 100,
};

/* ---- what the configuration says ---- */

static uint32_t collect_nodes(const struct role_generation *generation, struct cluster_node *nodes)
{
    struct image image = generation->image;
    struct ref ref = generation->config->nodes;
    const struct config_node *from = image_items(image, ref, sizeof *from);

    must(ref.count <= CLUSTER_NODES_MAX);
    for (uint32_t i = 0; i < ref.count; i++) {
        nodes[i] = (struct cluster_node){.name = image_string(image, from[i].item.name),
                                         .zone = image_string(image, from[i].zone),
                                         .count = from[i].path_count,
                                         .learner = !from[i].voter,
                                         .witness = from[i].witness};
        memcpy(nodes[i].addresses, from[i].paths, sizeof from[i].paths);
    }
    return ref.count;
}

static struct cluster_timing timing_of(const struct config *config)
{
    const struct config_failover *failover = &config->failover;

    return (struct cluster_timing){.heartbeat_ms = failover->heartbeat_ms,
                                   .election_ms = failover->election_timeout_ms,
                                   .lease_ms = failover->lease_ms,
                                   .drift_ppm = (uint32_t)(failover->drift * PPM_PER_HUNDREDTH),
                                   .detection_beats = (uint32_t)failover->detection_threshold};
}

/* Of a group, how its data service is run may differ from node to node. */
static const struct option shared_group_rows[] = {
    {.key = "",
     .type = OPTION_INCLUDE,
     .offset = offsetof(struct config_group, replication),
     .rows = replication_options},
    {0},
};

static struct option with_rows(const struct option *row, const struct option *rows)
{
    struct option other = *row;

    other.rows = rows;
    return other;
}

/* Of what must be the same on every node, as it is understood and not as it is written; paths, workers and the like are a node's own affair. */
static uint64_t hash_of(const struct role_generation *generation)
{
    static const char *const shared[] = {"cluster",  "failover", "nodes",    "groups",
                                         "services", "pools",    "addresses"};
    struct option rows[ARRAY_LEN(shared) + 1] = {0};
    uint32_t count = 0;
    struct buf text;
    uint64_t hash;

    for (const struct option *row = config_options; row->key; row++)
        for (size_t i = 0; i < ARRAY_LEN(shared); i++)
            if (strcmp(row->key, shared[i]) == 0)
                rows[count++] =
                    strcmp(row->key, "groups") == 0 ? with_rows(row, shared_group_rows) : *row;
    must(count == ARRAY_LEN(shared));
    buf_init(&text, HASHED_MAX);
    schema_show(rows, generation->image, true, &text);
    hash = hash_bytes(0, buf_bytes(&text));
    buf_fini(&text);
    return hash;
}

static uint32_t collect_listeners(const struct role_generation *generation, int *listeners)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < CONFIG_PATHS_MAX; i++)
        if (generation->peer_fds[i] >= 0)
            listeners[count++] = generation->peer_fds[i];
    return count;
}

/* ---- certificates ---- */

static bool read_pem(const char *path, struct buf *text, struct err *err)
{
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = 1;

    if (fd < 0)
        return err_system(err, "open '%s' (`nines cert init` makes certificates)", path);
    while (got > 0) {
        uint8_t *space = buf_space(text, 4096);

        if (!space)
            return err_set(err, ERR_CONFIG, "'%s' is larger than %d bytes", path, PEM_MAX);
        got = read(fd, space, 4096);
        if (got < 0)
            return err_system(err, "read '%s'", path);
        buf_grew(text, (size_t)got);
    }
    return true;
}

struct pems {
    struct buf authority, certificate, key;
    uint64_t hash;
};

static bool read_pems(const struct agent_cluster *agent, struct pems *pems, struct err *err)
{
    static struct config_tls files;

    config_tls(agent->generation->image, agent->role->node, &files);
    if (!read_pem(files.authority, &pems->authority, err) ||
        !read_pem(files.certificate, &pems->certificate, err) ||
        !read_pem(files.key, &pems->key, err))
        return false;
    pems->hash = hash_bytes(0, buf_bytes(&pems->authority));
    pems->hash = hash_bytes(pems->hash, buf_bytes(&pems->certificate));
    pems->hash = hash_bytes(pems->hash, buf_bytes(&pems->key));
    return true;
}

/* A key stays in no memory that is used again. */
static void drop_pems(struct pems *pems)
{
    if (pems->key.at)
        explicit_bzero(pems->key.at, pems->key.cap);
    buf_fini(&pems->authority);
    buf_fini(&pems->certificate);
    buf_fini(&pems->key);
}

static bool make_context(struct agent_cluster *agent, const struct pems *pems,
                         struct tls_context **context, struct err *err)
{
    if (!tls_context_of_pem(context, buf_bytes(&pems->authority), buf_bytes(&pems->certificate),
                            buf_bytes(&pems->key), err))
        return err_during(err, "this node's certificate");
    if (strcmp(tls_context_name(*context), agent->role->node) == 0)
        return true;
    err_record(err, ERR_CONFIG, 0, "the certificate is of '%s', and this node is '%s'",
               tls_context_name(*context), agent->role->node);
    tls_context_close(*context);
    return false;
}

static int64_t days_left(const struct agent_cluster *agent)
{
    int64_t wall_s = loop_read_clock(agent->role->loop, LOOP_WALL).ns / NS_PER_S;

    return (tls_context_expires(agent->tls) - wall_s) / DAY_S;
}

static void record_renewal(struct agent_cluster *agent)
{
    struct fact fact;

    fact_init(&fact, FACT_CERTIFICATE_RENEWED, SUBJECT_CERTIFICATE, agent->role->node);
    fact_say(&fact, "%s uses a new certificate, good for %lld days", agent->role->node,
             (long long)days_left(agent));
    agent_take_fact(agent, &fact);
}

/* Once a day, so that whoever looks at one day's events sees it. */
static void watch_certificate(struct agent_cluster *agent)
{
    struct instant now = loop_now(agent->role->loop);
    struct fact fact;

    if (!agent->tls || !passed(agent->look_at_certificate, now))
        return;
    agent->look_at_certificate = after_ms(now, DAY_S * 1000LL);
    if (days_left(agent) >= EXPIRY_DAYS)
        return;
    fact_init(&fact, FACT_CERTIFICATE_EXPIRES, SUBJECT_CERTIFICATE, agent->role->node);
    fact_add(&fact, NUMBER_REMAINING_MS, days_left(agent) * DAY_S * 1000LL);
    fact_say(&fact, "the certificate of %s is good for %lld more days", agent->role->node,
             (long long)days_left(agent));
    agent_take_fact(agent, &fact);
}

/* Reads the files again; a context that is in use is replaced only by one that is good and differs. */
static bool renew_tls(struct agent_cluster *agent, struct err *err)
{
    struct tls_context *context, *before = agent->tls;
    struct pems pems = {0};
    bool good;

    buf_init(&pems.authority, PEM_MAX);
    buf_init(&pems.certificate, PEM_MAX);
    buf_init(&pems.key, PEM_MAX);
    good = read_pems(agent, &pems, err);
    if (good && (!agent->tls || pems.hash != agent->tls_hash)) {
        good = make_context(agent, &pems, &context, err);
        if (good) {
            agent->tls = context;
            agent->tls_hash = pems.hash;
            if (agent->cluster)
                cluster_use_tls(agent->cluster, context);
            agent->look_at_certificate = loop_now(agent->role->loop);
            if (before)
                record_renewal(agent);
            tls_context_close(before);
        }
    }
    drop_pems(&pems);
    return good;
}

/* ---- what the cluster tells ---- */

static void on_fact(void *context, const struct fact *fact)
{
    agent_take_fact(context, fact);
}

static void show_soon(struct agent_cluster *agent)
{
    timer_arm(agent->role->loop, &agent->refresh, loop_now(agent->role->loop));
}

static void on_changed(void *context)
{
    struct agent_cluster *agent = context;

    if (agent->groups)
        groups_look(agent->groups->groups);
    show_soon(agent);
    agent_addresses_stir(&agent->addresses);
}

static void on_lease(void *context, uint32_t slot, const char *resource, struct instant until)
{
    struct agent_cluster *agent = context;

    agent_addresses_lease(&agent->addresses, slot, resource, until);
    if (agent->groups)
        groups_lease(agent->groups->groups, resource, until);
}

static void on_request(void *context, const char *node, uint64_t ticket, struct bytes bytes)
{
    agent_take_request(context, node, ticket, bytes);
}

static struct moment on_moment(void *context)
{
    struct agent_cluster *agent = context;

    return timeline_now(agent->timeline);
}

static void on_heard_moment(void *context, const char *node, struct moment moment)
{
    struct agent_cluster *agent = context;

    (void)node;
    (void)timeline_heard(agent->timeline, moment);
}

/* The process ends; the next one starts from what the disk really holds. */
static void on_failed(void *context, const struct err *err)
{
    struct agent_cluster *agent = context;

    agent_show_no_leases(agent->role->board);
    log_error("the cluster cannot go on in this process", log_text("error.message", err->text));
    if (err->kind != ERR_VERSION || agent->stopping) {
        role_fail(agent->role);
        return;
    }
    /* Each of the runs to come ends like this one, and as early: that it did should be found on the timeline. */
    agent->too_old = true;
    agent->stop_by = after_ms(loop_now(agent->role->loop), STOP_MS);
    timer_arm(agent->role->loop, &agent->retry, loop_now(agent->role->loop));
}

/* Before the cluster is closed, since their timers would ask one that has stopped. */
static void close_groups(struct agent_cluster *agent)
{
    if (agent->groups)
        agent_groups_close(agent->groups);
    agent->groups = NULL;
}

static void on_closed(void *context)
{
    struct agent_cluster *agent = context;

    close_groups(agent);
    agent->cluster = NULL;
    disk_close(agent->disk);
    agent->disk = NULL;
    if (agent->stopping)
        timer_arm(agent->role->loop, &agent->retry, loop_now(agent->role->loop));
}

/* ---- opening ---- */

static bool open_cluster(struct agent_cluster *agent, const char *directory, struct err *err)
{
    static const struct cluster_events events = {.fact = on_fact,
                                                 .changed = on_changed,
                                                 .lease = on_lease,
                                                 .request = on_request,
                                                 .moment = on_moment,
                                                 .heard_moment = on_heard_moment,
                                                 .failed = on_failed,
                                                 .closed = on_closed};
    const struct role_generation *generation = agent->generation;
    const struct config *config = generation->config;
    static struct cluster_node nodes[CLUSTER_NODES_MAX];
    int listeners[CLUSTER_PATHS_MAX];
    struct cluster_options options = {
        .loop = agent->role->loop,
        .cluster = image_string(generation->image, config->cluster),
        .node = agent->role->node,
        .nodes = nodes,
        .node_count = collect_nodes(generation, nodes),
        .timing = timing_of(generation->config),
        .config_hash = hash_of(generation),
        .tls = agent->tls,
        .listeners = listeners,
        .listener_count = collect_listeners(generation, listeners),
        .kept = agent_groups_kept(
            config, image_items(generation->image, config->groups, sizeof(struct config_group)),
            agent->role->board->processes),
        .events = &events,
        .context = agent};

    if (getrandom(&options.seed, sizeof options.seed, 0) != sizeof options.seed)
        return err_system(err, "draw a seed");
    if (!disk_open(&agent->disk, directory, err))
        return false;
    options.disk = agent->disk;
    if (cluster_open(&agent->cluster, &options, err))
        return true;
    disk_close(agent->disk);
    agent->disk = NULL;
    return false;
}

static bool open_groups(struct agent_cluster *agent, struct err *err)
{
    static struct agent_groups groups;

    if (!agent_groups_open(&groups, agent, err)) {
        cluster_close(agent->cluster, false);
        return false;
    }
    agent->groups = &groups;
    return true;
}

static bool open_all(struct agent_cluster *agent, struct err *err)
{
    const struct role_generation *generation = agent->generation;
    const char *directory = image_string(generation->image, generation->config->directory);
    char path[CONFIG_PATH_MAX];

    snprintf(path, sizeof path, "%s/timeline", directory);
    if (!agent->timeline && !agent_facts_open(agent, path, err))
        return false;
    if (config_has_peers(generation->config) && !renew_tls(agent, err))
        return false;
    snprintf(path, sizeof path, "%s/cluster", directory);
    return open_cluster(agent, path, err) && open_groups(agent, err);
}

/* Once per reason, or a log would say nothing else. */
static void say_why_not(struct agent_cluster *agent, const struct err *err)
{
    char sentence[sizeof agent->sentence];

    bytes_to_string(bytes_of_string(err->text), sentence, sizeof sentence);
    if (strcmp(agent->sentence, sentence) == 0)
        return;
    memcpy(agent->sentence, sentence, sizeof sentence);
    if (config_has_peers(agent->generation->config))
        log_error("this node takes no part in its cluster", log_text("error.message", err->text));
    else
        log_warning("this node has no leases and no timeline",
                    log_text("error.message", err->text));
}

static void try_to_open(struct agent_cluster *agent)
{
    struct loop *loop = agent->role->loop;
    struct err err;

    if (open_all(agent, &err)) {
        agent->sentence[0] = '\0';
    } else {
        say_why_not(agent, &err);
        timer_arm(loop, &agent->retry, after_ms(loop_now(loop), RETRY_MS));
    }
    /* At once: this node is not ready before it can be seen that it has a cluster. */
    agent_show(agent);
    timer_arm(loop, &agent->refresh, after_ms(loop_now(loop), SHOW_MS));
}

/* ---- timers ---- */

static void identify(struct agent_cluster *agent)
{
    const struct cluster_view *view = cluster_view(agent->cluster);

    timeline_identify(agent->timeline, view->self, (uint32_t)view->incarnation);
}

static void on_refresh(struct timer *timer)
{
    struct agent_cluster *agent = container_of(timer, struct agent_cluster, refresh);
    struct loop *loop = agent->role->loop;

    if (agent->cluster)
        identify(agent);
    watch_certificate(agent);
    agent_show(agent);
    if (agent->groups) {
        groups_look(agent->groups->groups);
        agent_groups_show(agent->groups);
    }
    timer_arm(loop, timer, after_ms(loop_now(loop), SHOW_MS));
}

static bool are_facts_settled(const struct agent_cluster *agent)
{
    return !agent->timeline || timeline_settled(agent->timeline);
}

/* What is to be waited for at a stop: the cluster's goodbye, then the last facts. */
static bool is_settled(const struct agent_cluster *agent)
{
    return !agent->cluster && are_facts_settled(agent);
}

static void end_too_old(struct agent_cluster *agent)
{
    struct loop *loop = agent->role->loop;

    if (are_facts_settled(agent) || passed(agent->stop_by, loop_now(loop)))
        role_fail(agent->role);
    else
        timer_arm(loop, &agent->retry, after_ms(loop_now(loop), SETTLE_MS));
}

/* Groups first, then addresses. Where those cannot be seen to go, the leases are not released: they run out, and the others wait for that. */
static void leave(struct agent_cluster *agent)
{
    struct loop *loop = agent->role->loop;
    bool left = !agent->groups || groups_left(agent->groups->groups);
    bool gone = agent_addresses_gone(&agent->addresses);

    if ((left && gone) || passed(agent->give_by, loop_now(loop))) {
        agent->closing = true;
        agent_addresses_close(&agent->addresses);
        close_groups(agent);
        if (agent->cluster)
            cluster_close(agent->cluster, gone);
    }
    timer_arm(loop, &agent->retry, after_ms(loop_now(loop), agent->closing ? 0 : SETTLE_MS));
}

static void on_retry(struct timer *timer)
{
    struct agent_cluster *agent = container_of(timer, struct agent_cluster, retry);
    struct loop *loop = agent->role->loop;

    if (!agent->stopping && agent->too_old)
        end_too_old(agent);
    else if (!agent->stopping)
        try_to_open(agent);
    else if (!agent->closing)
        leave(agent);
    else if (is_settled(agent) || passed(agent->stop_by, loop_now(loop)))
        role_drained(agent->role);
    else
        timer_arm(loop, timer, after_ms(loop_now(loop), SETTLE_MS));
}

/* ---- life ---- */

static struct agent_cluster *of_link(struct link *link)
{
    return container_of(link, struct agent_cluster, monitor);
}

static void on_asked(struct link *link, uint32_t id, uint16_t verb, struct bytes query)
{
    agent_answer_monitor(of_link(link), id, (enum admin_verb)verb, query);
}

static void on_monitor_gone(struct link *link)
{
    agent_forget_monitor(of_link(link));
    agent_addresses_forget_monitor(&of_link(link)->addresses);
}

void agent_cluster_open(struct agent_cluster *agent, struct role *role)
{
    static const struct link_events events = {.received = on_asked, .ended = on_monitor_gone};

    *agent = (struct agent_cluster){.role = role};
    link_init(&agent->monitor, role->loop, &events);
    timer_init(&agent->refresh, on_refresh);
    timer_init(&agent->retry, on_retry);
    agent_show_no_leases(role->board);
    agent_addresses_open(&agent->addresses, agent);
}

void agent_cluster_configure(struct agent_cluster *agent, const struct role_generation *generation)
{
    static struct cluster_node nodes[CLUSTER_NODES_MAX];
    int listeners[CLUSTER_PATHS_MAX];
    struct err err;

    agent->generation = generation;
    agent_addresses_stir(&agent->addresses);
    if (agent->stopping || !config_own_node(generation->image))
        return;
    if (!agent->cluster) {
        try_to_open(agent);
        return;
    }
    if (config_has_peers(generation->config) && !renew_tls(agent, &err))
        log_error("the certificate stays as it was", log_text("error.message", err.text));
    cluster_listen(agent->cluster, listeners, collect_listeners(generation, listeners));
    cluster_configure(agent->cluster, nodes, collect_nodes(generation, nodes), hash_of(generation));
    if (agent->groups)
        agent_groups_configure(agent->groups);
}

void agent_cluster_linked(struct agent_cluster *agent, int fd)
{
    link_open(&agent->monitor, fd);
}

void agent_cluster_looked(struct agent_cluster *agent, uint64_t number)
{
    agent_addresses_looked(&agent->addresses, number);
}

void agent_cluster_process(struct agent_cluster *agent, enum message what, uint32_t slot,
                           const struct process_word *word, int fd)
{
    if (agent->groups)
        agent_groups_process(agent->groups, what, slot, word, fd);
    else if (fd >= 0)
        loop_close_fd(agent->role->loop, fd);
}

static void record_stop(struct agent_cluster *agent)
{
    struct fact fact;

    fact_init(&fact, FACT_AGENT_STOPPED, SUBJECT_NODE, agent->role->node);
    fact_say(&fact, "nines was stopped in order on %s", agent->role->node);
    agent_take_fact(agent, &fact);
}

void agent_cluster_drain(struct agent_cluster *agent)
{
    struct loop *loop = agent->role->loop;

    agent->stopping = true;
    agent->stop_by = after_ms(loop_now(loop), STOP_MS);
    agent->give_by = after_ms(loop_now(loop), GIVE_MS);
    if (agent->timeline)
        record_stop(agent);
    if (agent->groups)
        groups_leave(agent->groups->groups);
    agent_addresses_stop(&agent->addresses);
    leave(agent);
}

void agent_cluster_close(struct agent_cluster *agent)
{
    agent_addresses_close(&agent->addresses);
    agent_show_no_leases(agent->role->board);
    link_close(&agent->monitor);
    timer_cancel(agent->role->loop, &agent->refresh);
    timer_cancel(agent->role->loop, &agent->retry);
    if (agent->cluster)
        return; /* the process ends under it, as in a crash: all that it holds is made for that */
    agent_facts_close(agent);
    tls_context_close(agent->tls);
}

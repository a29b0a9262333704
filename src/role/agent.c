/*
 * The agent: asks the backends of the configuration in force how they are, resolves their names, and is this node's part in the cluster.
 *
 * Its verdicts live in the scoreboard, so one that is started again goes on from them, and the workers never notice. It serves nobody and
 * waits for nobody.
 */
#include "health/health.h"
#include "role/agent_cluster.h"
#include "role/log.h"
#include "role/role.h"

#include <sys/random.h>

struct agent {
    struct role role;
    struct agent_cluster cluster;
    struct health *health;
    uint64_t before; /* the generation that was in force until now; 0: none */
};

static struct agent *agent_of(struct role *role)
{
    return container_of(role, struct agent, role);
}

static void on_changed(void *context, const struct health_target *target, enum verdict_state state,
                       const char *why)
{
    struct agent *agent = context;
    const struct verdict_record *record = &agent->role.board->verdicts[target->slot];
    int64_t status = (int64_t)counted(&record->code);

    if (state == VERDICT_UP)
        log_info("backend is up", log_text("nines.backend", target->name));
    else if (status != 0)
        log_warning("backend is down", log_text("nines.backend", target->name),
                    log_text("reason", why), log_number("http.response.status_code", status));
    else
        log_warning("backend is down", log_text("nines.backend", target->name),
                    log_text("reason", why));
}

static bool begin(struct role *role, const struct role_generation *first, struct err *err)
{
    struct agent *agent = agent_of(role);
    struct health_options options = {
        .loop = role->loop,
        .board = role->board,
        .changed = on_changed,
        .context = agent,
    };

    (void)first;
    /* Agents of several nodes must not ask in step. */
    if (getrandom(&options.seed, sizeof options.seed, 0) != sizeof options.seed)
        return err_system(err, "draw a seed");
    agent_cluster_open(&agent->cluster, role);
    return health_open(&agent->health, &options, err);
}

static uint32_t collect(const struct role_generation *generation, struct health_target *targets)
{
    struct image image = generation->image;
    const struct config *config = generation->config;
    const struct config_pool *pools = image_items(image, config->pools, sizeof *pools);
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->pools.count; i++) {
        const struct balancer_backend *backends =
            image_items(image, pools[i].pool.backends, sizeof *backends);

        for (uint32_t j = 0; j < pools[i].pool.backends.count; j++) {
            must(count < BACKENDS_MAX);
            targets[count++] = (struct health_target){
                .slot = backends[j].slot,
                .name = image_string(image, backends[j].endpoint),
                .named = backends[j].named,
                .address = backends[j].address,
                .check = pools[i].checked ? &pools[i].check : NULL,
                .image = image,
            };
        }
    }
    return count;
}

static void configure(struct role *role, const struct role_generation *generation)
{
    static struct health_target targets[BACKENDS_MAX];
    struct agent *agent = agent_of(role);

    health_configure(agent->health, targets, collect(generation, targets));
    agent_cluster_configure(&agent->cluster, generation);
    role_forget(role, agent->before);
    agent->before = generation->number;
}

static void linked(struct role *role, int fd)
{
    agent_cluster_linked(&agent_of(role)->cluster, fd);
}

static void looked(struct role *role, uint64_t number)
{
    agent_cluster_looked(&agent_of(role)->cluster, number);
}

static void process(struct role *role, enum message what, uint32_t slot,
                    const struct process_word *word, int fd)
{
    agent_cluster_process(&agent_of(role)->cluster, what, slot, word, fd);
}

/* Checks go on until the end: workers that still drain go by them. */
static void drain(struct role *role, struct instant deadline)
{
    (void)deadline; /* of sessions, and there are none here */
    agent_cluster_drain(&agent_of(role)->cluster);
}

static void end(struct role *role)
{
    agent_cluster_close(&agent_of(role)->cluster);
    health_close(agent_of(role)->health);
}

int role_agent(void)
{
    static const struct role_events events = {
        .begin = begin,
        .configure = configure,
        .linked = linked,
        .process = process,
        .looked = looked,
        .drain = drain,
        .end = end,
    };
    static struct agent agent;

    return role_run(&agent.role, ROLE_AGENT, &events);
}

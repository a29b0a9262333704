/*
 * A worker: moves bytes between clients and backends. Everything it decides and does is the balancer's; here it only meets its process.
 *
 * It never touches a disk and waits for nobody.
 */
#include "balancer/balancer.h"
#include "role/role.h"

struct worker {
    struct role role;
    struct balancer *balancer;
};

static struct worker *worker_of(struct role *role)
{
    return container_of(role, struct worker, role);
}

static void generation_done(void *context, uint64_t generation)
{
    struct worker *worker = context;

    role_forget(&worker->role, generation);
}

static void drained(void *context)
{
    struct worker *worker = context;

    role_drained(&worker->role);
}

static bool begin(struct role *role, const struct role_generation *first, struct err *err)
{
    struct worker *worker = worker_of(role);
    const struct balancer_options options = {
        .loop = role->loop,
        .board = role->board,
        .worker = role->worker,
        .log_fd = role->log_fd,
        .node = role->node,
        .generation_done = generation_done,
        .drained = drained,
        .context = worker,
        .sessions_max = (uint32_t)first->config->limits.sessions,
    };

    return balancer_open(&worker->balancer, &options, err);
}

static void configure(struct role *role, const struct role_generation *generation)
{
    const struct config *config = generation->config;
    const struct balancer_config part = {
        .image = generation->image,
        .generation = generation->number,
        .services = config->services,
        .pools = config->pools,
        .pool_size = sizeof(struct config_pool),
        .sessions_max = (uint32_t)config->limits.sessions,
    };

    balancer_configure(worker_of(role)->balancer, &part, generation->listeners);
}

static void drain(struct role *role, struct instant deadline)
{
    balancer_drain(worker_of(role)->balancer, deadline);
}

static void end(struct role *role)
{
    balancer_close(worker_of(role)->balancer);
}

int role_worker(void)
{
    static const struct role_events events = {
        .begin = begin,
        .configure = configure,
        .drain = drain,
        .end = end,
    };
    static struct worker worker;

    return role_run(&worker.role, ROLE_WORKER, &events);
}

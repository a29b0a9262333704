/*
 * The monitor: the HTTP interface, and the access log. It serves nobody's requests, so it may be busy, and die, without a client noticing.
 */
#include "admin/admin.h"
#include "base/must.h"
#include "role/access_log.h"
#include "role/link.h"
#include "role/log.h"
#include "role/role.h"
#include "role/view.h"

struct monitor {
    struct role role;
    struct admin *admin;
    struct access_log *log;
    struct link agent;
    struct view views[2]; /* the one in force, and the one before or after */
    uint32_t view;
    uint64_t generation; /* that the view in force points into; 0: none */
};

static struct monitor *of_role(struct role *role)
{
    return container_of(role, struct monitor, role);
}

static bool ask_reload(void *context)
{
    struct monitor *monitor = context;
    struct err err;

    if (role_reload(&monitor->role, &err))
        return true;
    log_error("the supervisor cannot be asked to reload", log_text("error.message", err.text));
    return false;
}

static struct monitor *of_link(struct link *link)
{
    return container_of(link, struct monitor, agent);
}

static bool ask_agent(void *context, uint32_t ticket, enum admin_verb verb, struct bytes query)
{
    struct monitor *monitor = context;

    return link_send(&monitor->agent, ticket, (uint16_t)verb, query);
}

static void on_answered(struct link *link, uint32_t id, uint16_t status, struct bytes json)
{
    admin_answered(of_link(link)->admin, id, status, json);
}

static void on_agent_gone(struct link *link)
{
    admin_asks_lost(of_link(link)->admin);
}

static void on_linked(struct role *role, int fd)
{
    link_open(&of_role(role)->agent, fd);
}

static bool on_begin(struct role *role, const struct role_generation *first, struct err *err)
{
    struct monitor *monitor = of_role(role);
    static const struct link_events events = {.received = on_answered, .ended = on_agent_gone};
    struct admin_options options = {.loop = role->loop,
                                    .board = role->board,
                                    .reload = ask_reload,
                                    .ask = ask_agent,
                                    .context = monitor};

    (void)first;
    link_init(&monitor->agent, role->loop, &events);
    return admin_open(&monitor->admin, &options, err) &&
           access_log_open(&monitor->log, role->loop, role->board, err);
}

static void on_configure(struct role *role, const struct role_generation *generation)
{
    struct monitor *monitor = of_role(role);
    struct view *next = &monitor->views[!monitor->view];

    view_fill(next, generation, role->node);
    admin_configure(monitor->admin, &next->view, generation->admin_fd, generation->cli_fd);
    access_log_configure(monitor->log, generation->access_log_fd, generation->log_fds);
    if (monitor->generation)
        role_forget(role, monitor->generation);
    monitor->view = !monitor->view;
    monitor->generation = generation->number;
}

static void on_reopen(struct role *role, int access_log_fd)
{
    access_log_reopen(of_role(role)->log, access_log_fd);
}

static void on_reloaded(struct role *role, bool done, struct bytes text)
{
    admin_reloaded(of_role(role)->admin, done, text);
}

static void on_end(struct role *role)
{
    link_close(&of_role(role)->agent);
    admin_close(of_role(role)->admin);
    access_log_close(of_role(role)->log);
}

int role_monitor(void)
{
    static const struct role_events events = {.begin = on_begin,
                                              .configure = on_configure,
                                              .reopen = on_reopen,
                                              .reloaded = on_reloaded,
                                              .linked = on_linked,
                                              .end = on_end};
    static struct monitor monitor;

    return role_run(&monitor.role, ROLE_MONITOR, &events);
}

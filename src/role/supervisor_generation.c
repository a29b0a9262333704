/*
 * A generation's descriptors: all that it needs is opened, or none of it and a sentence for each thing that cannot be had. A listener
 * that stays in the configuration stays open.
 */
#include "role/supervisor.h"

#include "base/own.h"
#include "net/net.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void drop(struct generation *generation)
{
    if (generation->image.at)
        munmap((void *)(uintptr_t)generation->image.at, generation->image.len);
    own_close(&generation->image_fd);
    *generation = (struct generation){.image_fd = -1};
}

static bool map_image(struct generation *generation, struct err *err)
{
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    struct stat stat;
    void *at;

    if (fstat(generation->image_fd, &stat) < 0 ||
        (fcntl(generation->image_fd, F_GET_SEALS) & seals) != seals)
        return err_set(err, ERR_PEER, "the reader's answer is not a sealed image");
    at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, generation->image_fd, 0);
    if (at == MAP_FAILED)
        return err_system(err, "map the image");
    generation->image = (struct image){at, (size_t)stat.st_size};
    if (!image_is_sound(generation->image))
        return err_set(err, ERR_PEER, "the reader's image makes no sense");
    generation->config = config_of(generation->image);
    return true;
}

/* The descriptor of the generation in force that listens there, or -1. */
static int already_open(const struct generation *current, const struct address *address)
{
    for (uint32_t i = 0; i < current->listener_count; i++)
        if (address_equal(&current->addresses[i], address))
            return current->listeners[i];
    return -1;
}

static bool open_listener(struct supervisor *supervisor, const char *service,
                          const struct balancer_listen *listen, struct buf *findings)
{
    struct generation *next = &supervisor->next;
    struct err err;
    char who[128];
    int fd = already_open(&supervisor->current, &listen->address);

    /* A virtual address is another node's just now, maybe, and this one's later. */
    bool ahead = config_address_of(next->image, &listen->address) != NULL;
    bool (*open)(int *, const struct address *, struct err *) =
        ahead ? listener_open_fd_ahead : listener_open_fd;

    if (fd < 0 && !open(&fd, &listen->address, &err)) {
        snprintf(who, sizeof who, "service '%s'", service);
        fixtures_explain_port(findings, who, &listen->address, err.number);
        return false;
    }
    next->addresses[listen->listener] = listen->address;
    next->listeners[listen->listener] = fd;
    return true;
}

/* All are tried, so that all that is wrong is said at once. */
static bool open_listeners(struct supervisor *supervisor, struct buf *findings)
{
    struct generation *next = &supervisor->next;
    const struct balancer_service *services =
        image_items(next->image, next->config->services, sizeof *services);
    bool good = true;

    next->listener_count = next->config->listeners;
    for (uint32_t i = 0; i < next->listener_count; i++)
        next->listeners[i] = -1;
    for (uint32_t i = 0; i < next->config->services.count; i++) {
        const struct balancer_listen *listens =
            image_items(next->image, services[i].listen, sizeof *listens);
        const char *name = image_string(next->image, services[i].item.name);

        for (uint32_t k = 0; k < services[i].listen.count; k++)
            good = open_listener(supervisor, name, &listens[k], findings) && good;
    }
    return good;
}

static bool open_peer_listener(struct supervisor *supervisor, const struct address *address,
                               struct buf *findings)
{
    struct generation *next = &supervisor->next;
    struct err err;
    int fd = already_open(&supervisor->current, address);

    if (fd < 0 && !listener_open_fd(&fd, address, &err)) {
        fixtures_explain_port(findings, "this node (its address in `nodes`)", address, err.number);
        return false;
    }
    next->addresses[next->listener_count] = *address;
    next->listeners[next->listener_count++] = fd;
    return true;
}

/* For the other nodes; none where there are no others. */
static bool open_peer_listeners(struct supervisor *supervisor, struct buf *findings)
{
    struct generation *next = &supervisor->next;
    const struct config_node *own = config_own_node(next->image);
    bool good = true;

    for (uint32_t i = 0; own && config_has_peers(next->config) && i < own->path_count; i++)
        good = open_peer_listener(supervisor, &own->paths[i], findings) && good;
    return good;
}

/* The file names programs and who they become, root too: then whoever writes it is root. */
static bool may_run_programs(const struct supervisor *supervisor, struct buf *findings)
{
    const struct generation *next = &supervisor->next;
    const struct config_group *groups =
        image_items(next->image, next->config->groups, sizeof *groups);

    if (geteuid() != 0 || !supervisor->reading.foreign)
        return true;
    for (uint32_t i = 0; i < next->config->groups.count; i++)
        if (groups[i].engine.command.count || groups[i].engine.process.count) {
            buf_print(findings,
                      "error: '%s' says what programs of group '%s' are run by root, and others "
                      "than root may write it: chown it to root, and chmod go-w\n",
                      supervisor->file, image_string(next->image, groups[i].replication.item.name));
            return false;
        }
    return true;
}

static void close_new_listeners(struct supervisor *supervisor)
{
    struct generation *next = &supervisor->next;

    for (uint32_t i = 0; i < next->listener_count; i++)
        if (next->listeners[i] >= 0 &&
            already_open(&supervisor->current, &next->addresses[i]) != next->listeners[i])
            close(next->listeners[i]);
}

bool generation_prepare(struct supervisor *supervisor, int image_fd, struct buf *findings)
{
    bool first = supervisor->current.number == 0;
    struct generation *next = &supervisor->next;
    bool good;
    struct err err;

    *next = (struct generation){.number = supervisor->current.number + 1, .image_fd = image_fd};
    if (!map_image(next, &err)) {
        buf_print(findings, "error: %s\n", err.text);
        drop(next);
        return false;
    }
    if (first)
        fixtures_raise_limit(next->config);
    good = open_listeners(supervisor, findings);
    good = open_peer_listeners(supervisor, findings) && good;
    good = may_run_programs(supervisor, findings) && good;
    if (!good || !state_prepare(next, findings) || !addresses_prepare(supervisor, findings) ||
        (first && !fixtures_open(&supervisor->fixtures, next, findings))) {
        close_new_listeners(supervisor);
        drop(next);
        return false;
    }
    return true;
}

static bool is_kept(const struct generation *generation, int fd)
{
    for (uint32_t i = 0; i < generation->listener_count; i++)
        if (generation->listeners[i] == fd)
            return true;
    return false;
}

void generation_commit(struct supervisor *supervisor)
{
    struct generation *current = &supervisor->current;

    for (uint32_t i = 0; i < current->listener_count; i++)
        if (!is_kept(&supervisor->next, current->listeners[i]))
            supervisor->gone[supervisor->gone_count++] = current->listeners[i];
    drop(current);
    *current = supervisor->next;
    supervisor->next = (struct generation){.image_fd = -1};
    if (supervisor->core.generation == 0)
        supervise_set_workers(&supervisor->core, generation_workers(current->config));
    supervisor->core.drain_ms = current->config->drain_ms;
    atomic_store_explicit(&supervisor->board->generation, current->number, memory_order_relaxed);
    if (current->number == 1) {
        supervisor->started_image_fd = fcntl(current->image_fd, F_DUPFD_CLOEXEC, 0);
        atomic_store_explicit(&supervisor->board->workers, generation_workers(current->config),
                              memory_order_relaxed);
    }
    processes_follow(supervisor);
}

void generation_retire_listeners(struct supervisor *supervisor)
{
    struct generation *current = &supervisor->current;

    for (uint32_t i = 0; i < current->listener_count; i++)
        supervisor->gone[supervisor->gone_count++] = current->listeners[i];
    current->listener_count = 0;
}

void generation_close_gone(struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < supervisor->gone_count; i++)
        close(supervisor->gone[i]);
    supervisor->gone_count = 0;
}

/* 0 in the file: one per core that this process may use. */
uint32_t generation_workers(const struct config *config)
{
    cpu_set_t cores;
    int count;

    if (config->workers > 0)
        return (uint32_t)config->workers;
    if (sched_getaffinity(0, sizeof cores, &cores) < 0)
        return 1;
    count = CPU_COUNT(&cores);
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (uint32_t)count;
}

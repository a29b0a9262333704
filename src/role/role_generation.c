/*
 * Generations as they arrive at a role: descriptors first, then the image. Holds what the supervisor lent, and gives it back late
 * enough that nobody's work is cut.
 */
#include "role/role_parts.h"

#include "base/own.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct role_generation *next_generation(struct role *role, uint64_t number)
{
    struct role_generation *next = role->next;

    if (!next)
        next = role->next = calloc(1, sizeof *next);
    if (!next || next->number == number)
        return next;
    *next = (struct role_generation){
        .number = number, .admin_fd = -1, .cli_fd = -1, .access_log_fd = -1};
    list_init(&next->node);
    memset(next->listeners, 0xff, sizeof next->listeners);
    memset(next->peer_fds, 0xff, sizeof next->peer_fds);
    memset(next->log_fds, 0xff, sizeof next->log_fds);
    return next;
}

static bool out_of_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no memory for another generation");
}

static struct role_held *find_held(struct role *role, const struct stat *stat)
{
    for (uint32_t i = 0; i < role->held_count; i++)
        if (role->held[i].inode == stat->st_ino && role->held[i].device == stat->st_dev)
            return &role->held[i];
    return NULL;
}

/* The number under which an open file is known here; the caller's descriptor is used up. -1: too many. */
static int hold(struct role *role, int received, uint64_t generation)
{
    autoclose int fd = received;
    struct role_held *held;
    struct stat stat;

    if (fstat(fd, &stat) < 0)
        return -1;
    held = find_held(role, &stat);
    if (!held) {
        if (role->held_count == ROLE_HELD_MAX)
            return -1;
        held = &role->held[role->held_count++];
        *held = (struct role_held){.fd = take_fd(&fd), .device = stat.st_dev, .inode = stat.st_ino};
    }
    held->generation = generation;
    held->close_at = NEVER;
    return held->fd;
}

static int *place_of(struct role_generation *generation, int32_t index)
{
    if (index == LISTENER_ADMIN)
        return &generation->admin_fd;
    if (index == LISTENER_CLI)
        return &generation->cli_fd;
    if (index <= LISTENER_PEER && index > LISTENER_PEER - CONFIG_PATHS_MAX)
        return &generation->peer_fds[LISTENER_PEER - index];
    return index >= 0 && index < LISTENERS_MAX ? &generation->listeners[index] : NULL;
}

static bool indexes_match(const struct frame *frame, struct err *err)
{
    if (frame->len == frame->fd_count * sizeof(int32_t))
        return true;
    return err_set(err, ERR_PEER, "%u descriptors came with %u bytes of indexes", frame->fd_count,
                   frame->len);
}

static int32_t index_at(const struct frame *frame, uint32_t i)
{
    int32_t index;

    memcpy(&index, frame->body + i * sizeof index, sizeof index);
    return index;
}

bool role_take_listeners(struct role *role, struct frame *frame, struct err *err)
{
    struct role_generation *next = next_generation(role, frame->number);

    if (!next)
        return out_of_memory(err);
    if (!indexes_match(frame, err))
        return false;
    for (uint32_t i = 0; i < frame->fd_count; i++) {
        int *place = place_of(next, index_at(frame, i));

        if (!place)
            return err_set(err, ERR_PEER, "there is no listener %d", index_at(frame, i));
        *place = hold(role, frame_take_fd(frame, i), frame->number);
        if (*place < 0)
            return err_set(err, ERR_LIMIT, "too many listeners");
    }
    return true;
}

bool role_take_logs(struct role *role, struct frame *frame, struct err *err)
{
    struct role_generation *next = next_generation(role, frame->number);

    if (!next)
        return out_of_memory(err);
    if (!indexes_match(frame, err))
        return false;
    for (uint32_t i = 0; i < frame->fd_count; i++) {
        int32_t worker = index_at(frame, i);

        if (worker < 0 || worker >= WORKERS_MAX)
            return err_set(err, ERR_PEER, "there is no worker %d", worker);
        next->log_fds[worker] = hold(role, frame_take_fd(frame, i), frame->number);
    }
    return true;
}

/* The image is sealed: what was checked is what is read, for as long as it is mapped. */
static bool map_image(int fd, struct image *image, struct err *err)
{
    struct stat stat;
    void *at;

    if (fd < 0 || fstat(fd, &stat) < 0)
        return err_system(err, "look at the configuration's image");
    if (stat.st_size < (off_t)sizeof(struct config))
        return err_set(err, ERR_PEER, "the configuration's image has %lld bytes",
                       (long long)stat.st_size);
    at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return err_system(err, "map the configuration's image");
    *image = (struct image){at, (size_t)stat.st_size};
    return true;
}

bool role_take_generation(struct role *role, struct frame *frame, struct err *err)
{
    struct role_generation *next = next_generation(role, frame->number);
    autoclose int image = frame_take_fd(frame, 0);

    if (!next)
        return out_of_memory(err);
    if (!map_image(image, &next->image, err))
        return false;
    next->config = config_of(next->image);
    if (frame->fd_count > 1)
        next->access_log_fd = hold(role, frame_take_fd(frame, 1), frame->number);
    return true;
}

const char *role_node_name(const struct role_generation *generation)
{
    const struct config *config = generation->config;
    const struct config_node *nodes = image_items(generation->image, config->nodes, sizeof *nodes);

    if (config->node >= config->nodes.count)
        return config->machine;
    return image_string(generation->image, nodes[config->node].item.name);
}

static void linger(struct role *role, struct role_held *held)
{
    if (held->close_at.ns == NEVER.ns)
        held->close_at = after_ms(loop_now(role->loop), ROLE_LINGER_MS);
}

void role_promote_generation(struct role *role)
{
    struct role_generation *generation = role->next;

    role->next = NULL;
    list_push_back(&role->generations, &generation->node);
    role->current = generation;
    role->node = role_node_name(generation);
    for (uint32_t i = 0; i < role->held_count; i++)
        if (role->held[i].generation != generation->number)
            linger(role, &role->held[i]);
}

void role_close_listeners_soon(struct role *role)
{
    for (uint32_t i = 0; i < role->held_count; i++)
        linger(role, &role->held[i]);
}

void role_replace_access_log(struct role *role, struct frame *frame)
{
    struct role_generation *current =
        container_of(role->generations.prev, struct role_generation, node);
    int old = current->access_log_fd;

    must(current == role->current);
    current->access_log_fd = hold(role, frame_take_fd(frame, 0), current->number);
    for (uint32_t i = 0; i < role->held_count; i++)
        if (role->held[i].fd == old && old != current->access_log_fd)
            linger(role, &role->held[i]);
}

void role_close_lingering(struct role *role)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < role->held_count; i++) {
        if (passed(role->held[i].close_at, loop_now(role->loop)))
            close(role->held[i].fd);
        else
            role->held[kept++] = role->held[i];
    }
    role->held_count = kept;
}

static void free_generation(struct role_generation *generation)
{
    if (generation->image.at)
        munmap((void *)(uintptr_t)generation->image.at, generation->image.len);
    free(generation);
}

void role_forget(struct role *role, uint64_t number)
{
    list_each_safe (node, &role->generations) {
        struct role_generation *generation = container_of(node, struct role_generation, node);

        if (generation->number == number && generation != role->current) {
            list_remove(&generation->node);
            free_generation(generation);
        }
    }
}

void role_drop_everything(struct role *role)
{
    if (role->next)
        free_generation(role->next);
    list_each_safe (node, &role->generations) {
        free_generation(container_of(node, struct role_generation, node));
    }
    for (uint32_t i = 0; i < role->held_count; i++)
        close(role->held[i].fd);
}

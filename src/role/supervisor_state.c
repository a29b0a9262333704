/*
 * The directories of what must survive: made by the supervisor, which may, for the user that the agent becomes. It opens nothing
 * that lies in them.
 */
#include "role/supervisor.h"

#include "role/log.h"
#include "role/user.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whom the directories are for; only root gives anything away. */
struct heir {
    bool any;
    char name[33]; /* of an option of 32 characters */
    uid_t user;
    gid_t group;
};

/* Who is known is not looked up again at a reload: a directory service may hang, and fences would wait for it. */
static bool find_heir(const char *user, struct heir *heir, struct err *err)
{
    static struct heir known;
    const char *name = role_user(user);
    const struct passwd *entry;

    *heir = (struct heir){0};
    if (geteuid() != 0)
        return true;
    if (!known.any || strcmp(known.name, name) != 0) {
        entry = getpwnam(name);
        if (!entry)
            return err_set(err, ERR_CONFIG, "the user '%s' does not exist here", name);
        known = (struct heir){.any = true, .user = entry->pw_uid, .group = entry->pw_gid};
        snprintf(known.name, sizeof known.name, "%s", name);
    }
    *heir = known;
    return true;
}

static bool make(const char *path, mode_t mode, struct err *err)
{
    struct stat stat;

    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return err_system(err, "create the directory '%s' (directory in the file)", path);
    if (lstat(path, &stat) < 0 || !S_ISDIR(stat.st_mode))
        return err_set(err, ERR_CONFIG, "'%s' is not a directory", path);
    return true;
}

/* What the agent writes is its user's alone. */
static bool make_private(const char *directory, const char *name, const struct heir *heir,
                         struct err *err)
{
    char path[CONFIG_PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (!make(path, 0700, err))
        return false;
    if (heir->any && lchown(path, heir->user, heir->group) < 0)
        return err_system(err, "give '%s' to the user that nines becomes", path);
    return true;
}

/* Certificates stay their owner's; the agent's group may read them. Files that the configuration names elsewhere are left alone. */
static bool make_readable(const char *directory, const char *node, const struct heir *heir,
                          struct err *err)
{
    const char *const files[] = {"ca.pem", ".pem", ".key"};
    char path[CONFIG_PATH_MAX];

    snprintf(path, sizeof path, "%s/tls", directory);
    if (!make(path, 0750, err))
        return false;
    if (!heir->any)
        return true;
    if (lchown(path, (uid_t)-1, heir->group) < 0 || chmod(path, 0750) < 0)
        return err_system(err, "let the user that nines becomes read '%s'", path);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct stat stat;

        snprintf(path, sizeof path, "%s/tls/%s%s", directory, i == 0 ? "" : node, files[i]);
        if (lstat(path, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_uid != geteuid())
            continue;
        if (lchown(path, (uid_t)-1, heir->group) < 0 || chmod(path, 0640) < 0)
            return err_system(err, "let the user that nines becomes read '%s'", path);
    }
    return true;
}

/* Of the embedded stores that have no directory of their own. */
static bool make_stores(const struct generation *generation, const struct heir *heir,
                        struct err *err)
{
    const struct config *config = generation->config;
    const char *directory = image_string(generation->image, config->directory);
    const struct config_group *groups =
        image_items(generation->image, config->groups, sizeof *groups);
    char parent[CONFIG_PATH_MAX];

    snprintf(parent, sizeof parent, "%s/store", directory);
    for (uint32_t i = 0; i < config->groups.count; i++) {
        const char *name = image_string(generation->image, groups[i].replication.item.name);

        if (groups[i].engine.kind != ENGINE_STORE ||
            strcmp(image_string(generation->image, groups[i].engine.directory), "/") != 0)
            continue;
        if (!make(parent, 0755, err) || !make_private(parent, name, heir, err))
            return false;
    }
    return true;
}

static bool prepare(const struct generation *generation, struct err *err)
{
    const struct config *config = generation->config;
    const char *directory = image_string(generation->image, config->directory);
    const struct config_node *own = config_own_node(generation->image);
    const char *node = image_string(generation->image, own->item.name);
    struct heir heir;

    return find_heir(image_string(generation->image, config->user), &heir, err) &&
           fixtures_make_directories(directory, "directory", err) &&
           make_private(directory, "cluster", &heir, err) &&
           make_private(directory, "timeline", &heir, err) && make_stores(generation, &heir, err) &&
           (!config_has_peers(config) || make_readable(directory, node, &heir, err));
}

bool state_prepare(const struct generation *generation, struct buf *findings)
{
    struct err err;

    if (!config_own_node(generation->image) || prepare(generation, &err))
        return true;
    if (config_has_peers(generation->config)) {
        buf_print(findings, "error: %s\n", err.text);
        return false;
    }
    log_warning("this node keeps no state: it serves, and has no leases and no timeline",
                log_text("error.message", err.text));
    return true;
}

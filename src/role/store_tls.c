/*
 * The certificates that an embedded store shows its clients: from the group's section to a context. `nines check` reads them the same way. And where these and
 * the node's own, for the links between members, are read from.
 */
#include "role/store.h"

#include "base/clock.h"
#include "net/tls.h"
#include "role/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool store_tls_address(const struct config_group *group, struct address *address)
{
    if (!group->store.covered)
        return false;
    if (group->store.tls.port != 0)
        address->port = (uint16_t)group->store.tls.port;
    return true;
}

bool store_tls_open(struct tls_context **context, struct image image,
                    const struct config_group *group, bool strict, struct err *err)
{
    const struct store_tls *tls = &group->store.tls;
    const char *name = image_string(image, group->replication.item.name);
    const struct tls_files files = {
        .authority = tls->authority.count ? image_string(image, tls->authority) : NULL,
        .certificate = image_string(image, tls->certificate),
        .key = image_string(image, tls->key),
    };

    if (!tls_context_open_server(context, &files, err))
        return err_during(err, "the certificate of group '%s'", name);
    if (tls_context_expires(*context) > clock_wall_ms() / 1000)
        return true;
    if (!strict) {
        log_warning("clients are shown a certificate that has expired",
                    log_text("nines.group", name), log_text("file.path", files.certificate));
        return true;
    }
    tls_context_close(*context);
    return err_set(err, ERR_CONFIG, "the certificate of group '%s': '%s' has expired", name,
                   files.certificate);
}

static void add_folder(const char *file, char *text, const char **folder)
{
    char *end;

    snprintf(text, CONFIG_PATH_MAX, "%s", file);
    end = strrchr(text, '/');
    end[end == text] = '\0'; /* of `/file` it is the root */
    *folder = text;
}

struct folders {
    char (*texts)[CONFIG_PATH_MAX];
    const char **folders;
    uint32_t count;
};

static void add_folders(struct folders *folders, const char *file)
{
    char real[PATH_MAX];

    if (!file[0])
        return;
    add_folder(file, folders->texts[folders->count], &folders->folders[folders->count]);
    folders->count++;
    if (!realpath(file, real) || strlen(real) >= CONFIG_PATH_MAX)
        return;
    add_folder(real, folders->texts[folders->count], &folders->folders[folders->count]);
    folders->count++;
}

void store_tls_folders(struct image image, const struct config_group *group, const char *node,
                       char texts[STORE_TLS_FOLDERS_MAX][CONFIG_PATH_MAX],
                       const char *folders[STORE_TLS_FOLDERS_MAX + 1])
{
    const struct store_tls *tls = &group->store.tls;
    struct folders all = {texts, folders, 0};
    static struct config_tls links;

    if (group->store.covered) {
        add_folders(&all, image_string(image, tls->certificate));
        add_folders(&all, image_string(image, tls->key));
        add_folders(&all, image_string(image, tls->authority));
    }
    if (config_has_peers(config_of(image))) {
        config_tls(image, node, &links);
        add_folders(&all, links.certificate);
        add_folders(&all, links.key);
        add_folders(&all, links.authority);
    }
    folders[all.count] = NULL;
}

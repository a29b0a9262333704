/*
 * The commands that make and show the certificates by which nodes know each other: `cert init`, `cert renew`, `cert show`.
 *
 * An authority is made once and never replaced. A file is there whole or not at all. Private keys are readable by their owner alone; a node's belongs to the user that
 * nines becomes, the authority's to who made it.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "net/certificate.h"
#include "role/arguments.h"
#include "role/cert_files.h"
#include "role/config.h"
#include "role/role.h"
#include "role/user.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_OF_CONFIG = 78,
    TEXT_MAX = 16 << 20,
    DAY_S = 86400,
    AUTHORITY_DAYS = 3650,
    NODE_DAYS = 365,
    DAYS_MAX = 36500,
    BEFORE_S = 300, /* clocks of a cluster differ */
    FOLDER_MAX = 1100,
    PATH_MAX_HERE = FOLDER_MAX + 80,
};

/* What a command works on. */
struct work {
    struct arguments arguments;
    struct buf image;
    char folder[FOLDER_MAX], authority_folder[FOLDER_MAX];
    int64_t days; /* 0: not said */
    struct json
        json; /* into `text`, with --json: an object with one array, of what is made or shown */
    struct buf text;
    uid_t owner; /* of the nodes' files */
};

static const struct config *config_in(const struct work *work)
{
    return config_of((struct image){work->image.at, work->image.len});
}

static bool read_config(struct work *work)
{
    struct buf findings;
    bool good;

    buf_init(&findings, TEXT_MAX);
    good = config_survey(work->arguments.file, isatty(STDERR_FILENO) == 1, &work->image, &findings);
    buf_write(&findings, stderr);
    buf_fini(&findings);
    return good;
}

static bool read_days(struct work *work)
{
    const char *text = work->arguments.days;

    if (!text)
        return true;
    if (text_parse_number(bytes_of_string(text), &work->days) && work->days > 0 &&
        work->days <= DAYS_MAX)
        return true;
    fprintf(stderr, "nines: --days must be between 1 and %d, and not '%s'\n", DAYS_MAX, text);
    return false;
}

static void find_owner(struct work *work)
{
    const struct image image = {work->image.at, work->image.len};
    const struct passwd *user;

    work->owner = (uid_t)-1;
    if (geteuid() != 0)
        return;
    user = getpwnam(role_user(image_string(image, config_in(work)->user)));
    if (user)
        work->owner = user->pw_uid;
}

static void begin_json(struct work *work, const char *key)
{
    if (!work->arguments.json)
        return;
    json_init(&work->json, &work->text);
    json_begin_object(&work->json);
    json_key(&work->json, key);
    json_begin_array(&work->json);
}

static void end_json(struct work *work)
{
    if (!work->arguments.json)
        return;
    json_end(&work->json);
    json_end(&work->json);
    buf_add_byte(&work->text, '\n');
    buf_write(&work->text, stdout);
}

static void add_text(struct work *work, const char *key, const char *text)
{
    json_key(&work->json, key);
    json_add_string(&work->json, text);
}

/* 0, or the exit code. `key` names the array that --json prints. */
static int begin(struct work *work, const char *key, unsigned allowed, int argc, char **argv)
{
    struct image image;

    *work = (struct work){0};
    buf_init(&work->image, TEXT_MAX);
    buf_init(&work->text, TEXT_MAX);
    if (!arguments_parse(&work->arguments, allowed | ARGUMENT_FILE | ARGUMENT_OUT | ARGUMENT_JSON,
                         argc, argv) ||
        !read_days(work))
        return ARGUMENTS_EXIT;
    begin_json(work, key);
    if (!read_config(work))
        return EXIT_OF_CONFIG;
    image = (struct image){work->image.at, work->image.len};
    if (work->arguments.out)
        snprintf(work->folder, sizeof work->folder, "%s", work->arguments.out);
    else
        snprintf(work->folder, sizeof work->folder, "%s/tls",
                 image_string(image, config_of(image)->directory));
    snprintf(work->authority_folder, sizeof work->authority_folder, "%s",
             work->arguments.authority ? work->arguments.authority : work->folder);
    find_owner(work);
    return 0;
}

static int finish(struct work *work, bool good, const struct err *err)
{
    buf_fini(&work->image);
    buf_fini(&work->text);
    if (!good)
        fprintf(stderr, "nines: %s\n", err->text);
    return good ? 0 : EXIT_FAILED;
}

static char *path_in(const char *folder, const char *name, const char *ending,
                     char path[PATH_MAX_HERE])
{
    snprintf(path, PATH_MAX_HERE, "%.*s/%.64s%s", FOLDER_MAX, folder, name, ending);
    return path;
}

static struct certificate_term term_of(int64_t days)
{
    int64_t now = clock_wall_ms() / 1000;

    return (struct certificate_term){.from = now - BEFORE_S, .until = now + days * DAY_S};
}

/* ---- making ---- */

static void say_made(struct work *work, const char *name)
{
    char path[PATH_MAX_HERE];

    path_in(work->folder, name, ".pem", path);
    if (!work->arguments.json) {
        printf("%s\n", path);
        return;
    }
    json_begin_object(&work->json);
    add_text(work, "name", name);
    add_text(work, "certificate", path);
    add_text(work, "key", path_in(work->folder, name, ".key", path));
    json_end(&work->json);
}

static bool put_node(struct work *work, const struct certificate *authority, const char *name,
                     struct err *err)
{
    struct certificate_term term = term_of(work->days ? work->days : NODE_DAYS);
    struct certificate node = {0};
    char path[PATH_MAX_HERE];
    struct cert_file file = {.owner = work->owner, .replace = true};
    bool good;

    if (!certificate_make_node(authority, name, &term, &node, err))
        return false;
    /* The key first: who reads in between finds a pair that does not fit, keeps what it has, and reads again. */
    file.mode = 0600;
    good =
        cert_file_put(path_in(work->folder, name, ".key", path), &file, buf_bytes(&node.key), err);
    file.mode = 0644;
    good = good && cert_file_put(path_in(work->folder, name, ".pem", path), &file,
                                 buf_bytes(&node.certificate), err);
    certificate_forget(&node);
    if (good)
        say_made(work, name);
    return good;
}

static bool put_nodes(struct work *work, const struct certificate *authority, struct err *err)
{
    const struct image image = {work->image.at, work->image.len};
    const struct config *config = config_of(image);
    const struct config_node *nodes = image_items(image, config->nodes, sizeof *nodes);
    bool found = !work->arguments.node;

    for (uint32_t i = 0; i < config->nodes.count; i++) {
        const char *name = image_string(image, nodes[i].item.name);

        if (work->arguments.node && strcmp(work->arguments.node, name) != 0)
            continue;
        found = true;
        if (!put_node(work, authority, name, err))
            return false;
    }
    if (!found)
        return err_set(err, ERR_CONFIG, "'%s' has no node '%s'", work->arguments.file,
                       work->arguments.node);
    return true;
}

static bool some_nodes(const struct work *work, struct err *err)
{
    return config_in(work)->nodes.count > 0 ||
           err_set(err, ERR_CONFIG, "'%s' has no nodes, so there is nobody to certify",
                   work->arguments.file);
}

static bool put_authority(struct work *work, struct certificate *authority, struct err *err)
{
    const struct image image = {work->image.at, work->image.len};
    struct certificate_term term = term_of(AUTHORITY_DAYS);
    struct cert_file file = {.mode = 0600, .owner = (uid_t)-1};
    char path[PATH_MAX_HERE];

    if (access(path_in(work->folder, "ca", ".pem", path), F_OK) == 0 ||
        access(path_in(work->folder, "ca", ".key", path), F_OK) == 0)
        return err_set(err, ERR_CONFIG,
                       "'%s' is there already: the cluster has its authority; `nines cert renew` "
                       "makes new certificates of it",
                       path);
    if (!certificate_make_authority(image_string(image, config_of(image)->cluster), &term,
                                    authority, err) ||
        !cert_file_put(path, &file, buf_bytes(&authority->key), err))
        return false;
    file.mode = 0644;
    path_in(work->folder, "ca", ".pem", path);
    if (!cert_file_put(path, &file, buf_bytes(&authority->certificate), err))
        return false;
    say_made(work, "ca");
    return true;
}

static int run_init(int argc, char **argv)
{
    struct certificate authority = {0};
    struct err err = {0};
    struct work work;
    bool good;
    int wrong = begin(&work, "made", ARGUMENT_DAYS, argc, argv);

    if (wrong)
        return finish(&work, true, &err), wrong;
    good = some_nodes(&work, &err) && cert_folder(work.folder, &err) &&
           put_authority(&work, &authority, &err) && put_nodes(&work, &authority, &err);
    if (good)
        end_json(&work);
    if (good && !work.arguments.json)
        printf("Copy ca.pem, NAME.pem and NAME.key to %s of each node NAME. Keep ca.key elsewhere: "
               "who "
               "has it can make nodes.\n",
               work.arguments.out ? "<directory>/tls" : work.folder);
    certificate_forget(&authority);
    return finish(&work, good, &err);
}

static bool get_authority(const struct work *work, struct certificate *authority, struct err *err)
{
    char path[PATH_MAX_HERE];

    return cert_file_get(path_in(work->authority_folder, "ca", ".pem", path),
                         &authority->certificate, err) &&
           cert_file_get(path_in(work->authority_folder, "ca", ".key", path), &authority->key, err);
}

static int run_renew(int argc, char **argv)
{
    struct certificate authority = {0};
    struct err err = {0};
    struct work work;
    bool good;
    int wrong =
        begin(&work, "made", ARGUMENT_NODE | ARGUMENT_AUTHORITY | ARGUMENT_DAYS, argc, argv);

    if (wrong)
        return finish(&work, true, &err), wrong;
    good = some_nodes(&work, &err) && get_authority(&work, &authority, &err) &&
           cert_folder(work.folder, &err) && put_nodes(&work, &authority, &err);
    certificate_forget(&authority);
    if (good)
        end_json(&work);
    return finish(&work, good, &err);
}

/* ---- showing ---- */

static char *print_day(int64_t seconds, char text[32])
{
    time_t at = (time_t)seconds;
    struct tm tm;

    if (!gmtime_r(&at, &tm) || strftime(text, 32, "%Y-%m-%d", &tm) == 0)
        snprintf(text, 32, "?");
    return text;
}

static void print_state(const struct certificate_term *term, char text[64])
{
    int64_t now = clock_wall_ms() / 1000;

    if (now < term->from)
        snprintf(text, 64, "not yet valid");
    else if (now >= term->until)
        snprintf(text, 64, "expired %lld days ago", (long long)((now - term->until) / DAY_S));
    else
        snprintf(text, 64, "%lld days left", (long long)((term->until - now) / DAY_S));
}

static void show_in_json(struct work *work, const char *path, const struct certificate_view *view)
{
    int64_t now = clock_wall_ms() / 1000;
    char day[32];

    json_begin_object(&work->json);
    add_text(work, "file", path);
    add_text(work, "subject", view->subject);
    add_text(work, "issuer", view->issuer);
    add_text(work, "serial", view->serial);
    add_text(work, "from", print_day(view->term.from, day));
    add_text(work, "until", print_day(view->term.until, day));
    json_key(&work->json, "valid");
    json_add_bool(&work->json, now >= view->term.from && now < view->term.until);
    json_key(&work->json, "days_left"); /* below 0: since when it has expired */
    json_add_number(&work->json, (view->term.until - now) / DAY_S);
    json_key(&work->json, "authority");
    json_add_bool(&work->json, view->authority);
    json_end(&work->json);
}

static void show_in_words(const struct certificate_view *view, bool first)
{
    char from[32], until[32], state[64];

    if (first)
        printf("%-20s %-20s %-10s  %-10s  %s\n", "SUBJECT", "ISSUER", "FROM", "UNTIL", "");
    print_state(&view->term, state);
    printf("%-20s %-20s %-10s  %-10s  %s%s\n", view->subject, view->issuer,
           print_day(view->term.from, from), print_day(view->term.until, until), state,
           view->authority ? " (authority)" : "");
}

/* False: there is such a file and it is no certificate. */
static bool show(struct work *work, const char *path, bool *any, struct err *err)
{
    struct certificate_view view;
    struct buf text = {0};
    bool good;

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    good = cert_file_get(path, &text, err) &&
           (certificate_read(buf_bytes(&text), &view, err) || err_during(err, "'%s'", path));
    buf_fini(&text);
    if (!good)
        return false;
    if (work->arguments.json)
        show_in_json(work, path, &view);
    else
        show_in_words(&view, !*any);
    *any = true;
    return true;
}

static int run_show(int argc, char **argv)
{
    struct err err = {0};
    struct config_tls tls;
    struct work work;
    struct image image;
    const struct config_node *nodes;
    char path[PATH_MAX_HERE];
    bool any = false, good;
    int wrong = begin(&work, "certificates", 0, argc, argv);

    if (wrong)
        return finish(&work, true, &err), wrong;
    image = (struct image){work.image.at, work.image.len};
    nodes = image_items(image, config_of(image)->nodes, sizeof *nodes);
    config_tls(image, "", &tls);
    good =
        show(&work, work.arguments.out ? path_in(work.folder, "ca", ".pem", path) : tls.authority,
             &any, &err);
    for (uint32_t i = 0; good && i < config_of(image)->nodes.count; i++) {
        const char *name = image_string(image, nodes[i].item.name);

        config_tls(image, name, &tls);
        good = show(&work,
                    work.arguments.out ? path_in(work.folder, name, ".pem", path) : tls.certificate,
                    &any, &err);
    }
    if (good && !any)
        good =
            err_set(&err, ERR_CONFIG,
                    "there are no certificates in '%s'; `nines cert init` makes them", work.folder);
    if (good)
        end_json(&work);
    return finish(&work, good, &err);
}

const struct command cert_commands[] = {
    {"cert init", "-c FILE [--out DIR] [--days N] [--json]", run_init,
     "Makes the cluster's authority and a certificate for each node, once."},
    {"cert renew", "-c FILE [--node NAME] [--authority DIR] [--out DIR] [--days N] [--json]",
     run_renew, "Makes new certificates with the authority; `nines reload` puts them in force."},
    {"cert show", "-c FILE [--out DIR] [--json]", run_show,
     "Shows whose the certificates are, and how many days are left."},
    {0},
};

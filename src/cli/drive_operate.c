#include "cli/operate.h"

#include "base/own.h"
#include "cli/client.h"
#include "cli/show.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_MAX = 16 << 20, TARGET_MAX = 1024, RELOAD_TIMEOUT_MS = 65000 };

static void print(struct buf *out)
{
    buf_write(out, stdout);
    buf_fini(out);
}

static void dump(json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
}

/* A node that is alone with its cluster's name is no failure of the question, and a script should notice all the same. */
static int status_exit(const json_t *status)
{
    const json_t *membership = json_object_get(status, "membership");

    return show_has_cluster(membership) && !show_truth(membership, "quorum") ? EXIT_NO_QUORUM : 0;
}

int run_status(int argc, char **argv)
{
    static const char *const flags[] = {"--json", "--all", "--links", NULL};
    static const char *const target = "/api/v1/status";
    struct client_options options;
    struct client_reply reply;
    struct err err;
    struct buf out;
    int code;

    if (!client_parse(&options, argc, argv, 0, flags, &err) ||
        !client_ask_json(options.socket, "GET", target, CLIENT_TIMEOUT_MS, &reply, &err) ||
        !client_was_granted(&reply, &err))
        return client_fail("status", &err);
    code = status_exit(reply.json);
    buf_init(&out, PAGE_MAX);
    if (options.json)
        dump(reply.json);
    else
        show_status(reply.json, (options.all ? SHOW_ALL : 0u) | (options.links ? SHOW_LINKS : 0u),
                    terminal_colours(), &out);
    json_decref(reply.json);
    print(&out);
    return code;
}

static bool write_target(const struct client_options *options, const char *verb, char *target,
                         struct err *err)
{
    struct buf out;

    buf_over(&out, target, TARGET_MAX);
    buf_add_string(&out, "/api/v1/pools/");
    client_add_segment(&out, options->words[0]);
    buf_add_string(&out, "/backends/");
    client_add_segment(&out, options->words[1]);
    buf_print(&out, "/%s", verb);
    buf_add_byte(&out, 0);
    return !out.full || err_set(err, ERR_USAGE, "the names are too long");
}

static void say_drained(const struct client_options *options, json_t *answer)
{
    const char *by = json_string_value(json_object_get(answer, "drained_by"));
    long long active = (long long)show_integer(answer, "active");
    const char *pool = options->words[0], *backend = options->words[1];

    if (!by)
        printf("%s in pool %s takes new work again\n", backend, pool);
    else if (strcmp(by, "file") == 0)
        printf("%s in pool %s is still drained by the file: `drain: true`\n", backend, pool);
    else
        printf("%s in pool %s gets no new work; %lld requests are under way "
               "(`nines undrain %s %s` takes it back)\n",
               backend, pool, active, pool, backend);
}

static int order(const char *verb, int argc, char **argv)
{
    static const char *const flags[] = {"--json", NULL};
    struct client_options options;
    struct client_reply reply;
    char target[TARGET_MAX];
    struct err err;

    if (!client_parse(&options, argc, argv, 2, flags, &err) ||
        !write_target(&options, verb, target, &err) ||
        !client_ask_json(options.socket, "POST", target, CLIENT_TIMEOUT_MS, &reply, &err) ||
        !client_was_granted(&reply, &err))
        return client_fail(verb, &err);
    if (options.json)
        dump(reply.json);
    else
        say_drained(&options, reply.json);
    json_decref(reply.json);
    return 0;
}

int run_drain(int argc, char **argv)
{
    return order("drain", argc, argv);
}

int run_undrain(int argc, char **argv)
{
    return order("undrain", argc, argv);
}

/* The supervisor's text ends lines as a file does. */
static int text_len(const char *text)
{
    size_t len = strlen(text);

    while (len && text[len - 1] == '\n')
        len--;
    return (int)len;
}

static int reload_exit(uint16_t status)
{
    switch (status) {
    case 200:
        return 0;
    case 422:
        return EXIT_CONFIGURATION;
    case 504:
        return EXIT_TIMEOUT;
    default:
        return EXIT_FAILED;
    }
}

static void say_reloaded(json_t *answer, uint16_t status)
{
    long long generation = (long long)show_integer(answer, "generation");
    const char *text = show_string(answer, "text");

    if (status == 200)
        printf("%.*s\n", text_len(text), text);
    else if (status == 422)
        fprintf(stderr, "%.*s\nnines reload: refused; generation %lld stays in force\n",
                text_len(text), text, generation);
    else
        fprintf(stderr, "nines reload: %s (%u)\n", show_string(answer, "error"), status);
}

int run_reload(int argc, char **argv)
{
    static const char *const flags[] = {"--json", NULL};
    struct client_options options;
    struct client_reply reply;
    struct err err;

    if (!client_parse(&options, argc, argv, 0, flags, &err) ||
        !client_ask_json(options.socket, "POST", "/api/v1/reload", RELOAD_TIMEOUT_MS, &reply, &err))
        return client_fail("reload", &err);
    if (options.json)
        dump(reply.json);
    else
        say_reloaded(reply.json, reply.status);
    json_decref(reply.json);
    return reload_exit(reply.status);
}

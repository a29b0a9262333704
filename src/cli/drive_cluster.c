/*
 * The commands that change the cluster or ask it something. Any node takes them; the answer says which one acted.
 */
#include "base/text.h"
#include "cli/client.h"
#include "cli/operate.h"
#include "cli/order.h"
#include "cli/show.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

enum {
    TARGET_MAX = 2048,
    PAGE_MAX = 1 << 20,
    ASK_MS = 5000, /* what the agent waits for where --timeout says nothing */
    ASK_MAX_MS = 60000,
    MARGIN_MS = 5000, /* and what its answer may take beyond that */
};

static const char *const plain_flags[] = {"--json", NULL};
static const char *const order_flags[] = {"--json", "--timeout=", NULL};

/* ---- asking ---- */

void order_dump(json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
}

static void print(struct buf *out)
{
    buf_write(out, stdout);
    buf_fini(out);
}

static bool timeout_of(const struct client_options *options, int64_t *ms, struct err *err)
{
    *ms = ASK_MS;
    if (!options->timeout)
        return true;
    if (!text_parse_duration(bytes_of_string(options->timeout), ms) || *ms < 1 || *ms > ASK_MAX_MS)
        return err_set(err, ERR_USAGE, "--timeout is a duration of at most 60s, found '%s'",
                       options->timeout);
    return true;
}

/* What an order's status says to a script. */
static int exit_of(const struct client_reply *reply)
{
    switch (reply->status) {
    case 200:
        return 0;
    case 409:
        return EXIT_REFUSED;
    case 504:
        return EXIT_TIMEOUT;
    case 503: /* an agent that cannot be asked has no outcome to tell */
        return json_object_get(reply->json, "outcome") ? EXIT_NO_QUORUM : EXIT_FAILED;
    default:
        return EXIT_FAILED;
    }
}

/* Who did it, when that is not the node that was asked, or is known at all. */
static void say_who(const json_t *answer)
{
    const char *by = show_string(answer, "by");

    if (by[0])
        printf(" (by %s)", by);
    putchar('\n');
}

static void say_not_done(const char *command, const json_t *answer, int code)
{
    const char *by = show_string(answer, "by");

    fprintf(stderr, "nines %s: %s", command, show_string(answer, "error"));
    if (code == EXIT_REFUSED && by[0])
        fprintf(stderr, " (refused by %s)", by);
    fprintf(stderr, "%s\n", code == EXIT_TIMEOUT ? " (the outcome is unknown; ask again)" : "");
}

int order_send(const char *command, const struct client_options *options, struct buf *target,
               const char *done)
{
    struct client_reply reply;
    struct err err;
    int64_t ms;
    int code;

    if (!timeout_of(options, &ms, &err))
        return client_fail(command, &err);
    buf_print(target, "%stimeout=%lld", memchr(target->at, '?', target->len) ? "&" : "?",
              (long long)ms);
    buf_add_byte(target, 0);
    if (target->full) {
        (void)err_set(&err, ERR_USAGE, "the names are too long");
        return client_fail(command, &err);
    }
    if (!client_ask_json(options->socket, "POST", (const char *)target->at, ms + MARGIN_MS, &reply,
                         &err))
        return client_fail(command, &err);
    code = exit_of(&reply);
    if (options->json) {
        order_dump(reply.json);
    } else if (code == 0) {
        printf("%s", done);
        say_who(reply.json);
    } else {
        say_not_done(command, reply.json, code);
    }
    json_decref(reply.json);
    return code;
}

/* An order about the one thing that the command names: `/api/v1/PLURAL/NAME/VERB`. */
static int order_about(const char *command, const char *plural, const char *verb,
                       const struct client_options *options, const char *query, const char *done)
{
    char target[TARGET_MAX], text[512];
    struct buf out;

    buf_over(&out, target, sizeof target);
    buf_print(&out, "/api/v1/%s/", plural);
    client_add_segment(&out, options->words[0]);
    buf_print(&out, "/%s%s", verb, query);
    snprintf(text, sizeof text, "%.200s %s", options->words[0], done);
    return order_send(command, options, &out, text);
}

/* ---- nodes ---- */

/* Prints the part of /api/v1/cluster that `show` lays out. */
static int list(const char *command, int argc, char **argv, const char *key,
                void (*show)(struct canvas *canvas, const json_t *membership, bool all))
{
    struct client_options options;
    struct client_reply reply;
    struct buf out;
    struct canvas canvas = {.out = &out, .colour = terminal_colours()};
    struct err err;

    if (!client_parse(&options, argc, argv, 0, plain_flags, &err) ||
        !client_ask_json(options.socket, "GET", "/api/v1/cluster", CLIENT_TIMEOUT_MS, &reply,
                         &err) ||
        !client_was_granted(&reply, &err))
        return client_fail(command, &err);
    if (!show_has_cluster(reply.json)) {
        (void)err_set(&err, ERR_CONFIG, "%s", show_string(reply.json, "sentence"));
        err.kind = ERR_PEER;
        json_decref(reply.json);
        return client_fail(command, &err);
    }
    buf_init(&out, PAGE_MAX);
    if (options.json)
        order_dump(json_object_get(reply.json, key));
    else
        show(&canvas, reply.json, true);
    print(&out);
    json_decref(reply.json);
    return 0;
}

int run_node_list(int argc, char **argv)
{
    return list("node list", argc, argv, "nodes", show_nodes);
}

int run_node_add(int argc, char **argv)
{
    struct client_options options;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, order_flags, &err))
        return client_fail("node add", &err);
    return order_about("node add", "nodes", "add", &options, "", "is a member");
}

int run_node_remove(int argc, char **argv)
{
    struct client_options options;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, order_flags, &err))
        return client_fail("node remove", &err);
    return order_about("node remove", "nodes", "remove", &options, "", "is no longer a member");
}

/* On a terminal a person is asked; a script has to say it. */
static bool is_loss_accepted(const struct client_options *options)
{
    char answer[8] = "";

    if (options->accept_loss)
        return true;
    if (!terminal_present())
        return false;
    printf("This node alone becomes the cluster. What only the other nodes have is lost, and they "
           "must "
           "not be\nstarted again before their directories are emptied. Type `yes` to go on: ");
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) && strcmp(answer, "yes\n") == 0;
}

int run_node_recover(int argc, char **argv)
{
    static const char *const flags[] = {"--json", "--timeout=", "--yes-i-accept-loss", NULL};
    char target[TARGET_MAX];
    struct client_options options;
    struct buf out;
    struct err err;

    if (!client_parse(&options, argc, argv, 0, flags, &err))
        return client_fail("node recover", &err);
    if (!is_loss_accepted(&options)) {
        fprintf(stderr,
                "nines node recover: nothing was done: what only the other nodes have would be "
                "lost; --yes-i-accept-loss says that you accept it\n");
        return EXIT_REFUSED;
    }
    buf_over(&out, target, sizeof target);
    buf_add_string(&out, "/api/v1/recover?accept_loss=true");
    return order_send("node recover", &options, &out, "this node alone is the cluster now");
}

int run_leader_transfer(int argc, char **argv)
{
    char target[TARGET_MAX];
    struct client_options options;
    struct buf out;
    struct err err;

    if (!client_parse_some(&options, argc, argv, (struct client_operands){0, 1}, order_flags, &err))
        return client_fail("leader transfer", &err);
    if (options.word_count == 1)
        return order_about("leader transfer", "nodes", "lead", &options, "", "leads");
    buf_over(&out, target, sizeof target);
    buf_add_string(&out, "/api/v1/leader/transfer");
    return order_send("leader transfer", &options, &out, "the leadership was moved");
}

/* ---- leases ---- */

int run_lease_list(int argc, char **argv)
{
    return list("lease list", argc, argv, "leases", show_leases);
}

int run_lease_take(int argc, char **argv)
{
    struct client_options options;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, order_flags, &err))
        return client_fail("lease take", &err);
    return order_about("lease take", "leases", "take", &options, "", "is held by this node");
}

int run_lease_release(int argc, char **argv)
{
    struct client_options options;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, order_flags, &err))
        return client_fail("lease release", &err);
    return order_about("lease release", "leases", "release", &options, "", "is released");
}

/* ---- virtual addresses ---- */

int run_address_list(int argc, char **argv)
{
    return list("address list", argc, argv, "addresses", show_addresses);
}

int run_address_move(int argc, char **argv)
{
    static const char *const flags[] = {"--json", "--timeout=", "--to=", NULL};
    char query[TARGET_MAX], done[128];
    struct client_options options;
    struct buf out;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, flags, &err))
        return client_fail("address move", &err);
    buf_over(&out, query, sizeof query - 1);
    if (options.to) {
        buf_add_string(&out, "?to=");
        client_add_segment(&out, options.to);
    }
    query[out.len] = '\0';
    snprintf(done, sizeof done, "is on %.64s", options.to ? options.to : "another node");
    return order_about("address move", "addresses", "move", &options, query, done);
}

/* ---- overrides ---- */

int run_override_set(int argc, char **argv)
{
    char query[TARGET_MAX];
    struct client_options options;
    struct buf out;
    struct err err;

    if (!client_parse(&options, argc, argv, 2, order_flags, &err))
        return client_fail("override set", &err);
    buf_over(&out, query, sizeof query - 1);
    buf_add_string(&out, "?value=");
    client_add_segment(&out, options.words[1]);
    query[out.len] = '\0';
    return order_about("override set", "overrides", "set", &options, query, "is set");
}

int run_override_clear(int argc, char **argv)
{
    struct client_options options;
    struct err err;

    if (!client_parse(&options, argc, argv, 1, order_flags, &err))
        return client_fail("override clear", &err);
    return order_about("override clear", "overrides", "clear", &options, "", "is cleared");
}

int run_override_list(int argc, char **argv)
{
    struct client_options options;
    struct client_reply reply;
    struct err err;
    json_t *one;
    size_t i;

    if (!client_parse(&options, argc, argv, 0, plain_flags, &err) ||
        !client_ask_json(options.socket, "GET", "/api/v1/overrides", CLIENT_TIMEOUT_MS, &reply,
                         &err) ||
        !client_was_granted(&reply, &err))
        return client_fail("override list", &err);
    if (options.json)
        order_dump(json_object_get(reply.json, "overrides"));
    else
        json_array_foreach (json_object_get(reply.json, "overrides"), i, one)
            printf("%s = %s\n", show_string(one, "key"), show_string(one, "value"));
    json_decref(reply.json);
    return 0;
}

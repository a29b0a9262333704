/*
 * The commands that read a configuration without running it: `check`, `config show`, `config explain`, `config schema`.
 */
#include "role/arguments.h"
#include "role/config.h"
#include "role/role.h"
#include "role/store.h"

#include "net/tls.h"

#include <stdio.h>
#include <unistd.h>

enum { EXIT_OF_CONFIG = 78, EXIT_FAILED = 1, TEXT_MAX = 16 << 20 };

static struct config_request request_of(const struct arguments *arguments)
{
    return (struct config_request){
        .file = arguments->file,
        .fd = -1,
        .node = arguments->node,
        .colour = isatty(STDERR_FILENO) == 1,
        .resolve = !arguments->offline,
    };
}

/* What this node's stores would show to clients is looked at, as names are. A sentence for each that is no good; false: there is one. */
static bool look_at_certificates(const struct arguments *arguments, const struct buf *built,
                                 struct json *json)
{
    const struct image image = {built->at, built->len};
    const struct config *config = config_of(image);
    const struct config_group *groups = image_items(image, config->groups, sizeof *groups);
    struct tls_context *context;
    bool good = true;
    struct err err;

    for (uint32_t i = 0; !arguments->offline && i < config->groups.count; i++) {
        if (!groups[i].store.covered || config_group_place(config, &groups[i]) == GROUP_MEMBERS_MAX)
            continue;
        if (store_tls_open(&context, image, &groups[i], true, &err)) {
            tls_context_close(context);
            continue;
        }
        good = false;
        if (json)
            config_tell_json(json, "error", err.text);
        else
            fprintf(stderr, "error: %s\n", err.text);
    }
    return good;
}

/* Findings go to standard error. */
static bool compile(const struct arguments *arguments, struct buf *image)
{
    const struct config_request request = request_of(arguments);
    struct buf findings;
    bool good;

    buf_init(&findings, TEXT_MAX);
    good = config_compile(&request, image, &findings);
    buf_write(&findings, stderr);
    buf_fini(&findings);
    return good;
}

/* Of a good configuration; all zero otherwise. */
static struct config counts_of(bool good, const struct buf *image)
{
    return good ? *config_of((struct image){image->at, image->len}) : (struct config){0};
}

static void add_count(struct json *json, const char *key, uint32_t count)
{
    json_key(json, key);
    json_add_unsigned(json, count);
}

static bool check_in_json(const struct arguments *arguments, struct buf *image)
{
    struct config_request request = request_of(arguments);
    struct config config;
    struct json json;
    struct buf text;
    bool good;

    buf_init(&text, TEXT_MAX);
    json_init(&json, &text);
    json_begin_object(&json);
    json_key(&json, "file");
    json_add_string(&json, arguments->file);
    json_key(&json, "findings");
    json_begin_array(&json);
    request.json = &json;
    good = config_compile(&request, image, NULL) && look_at_certificates(arguments, image, &json);
    json_end(&json);
    json_key(&json, "good");
    json_add_bool(&json, good);
    config = counts_of(good, image);
    add_count(&json, "services", config.services.count);
    add_count(&json, "pools", config.written_pools.count);
    add_count(&json, "listeners", config.listeners);
    json_end(&json);
    buf_add_byte(&text, '\n');
    buf_write(&text, stdout);
    buf_fini(&text);
    return good;
}

static bool check_in_words(const struct arguments *arguments, struct buf *image)
{
    bool good = compile(arguments, image) && look_at_certificates(arguments, image, NULL);
    struct config config = counts_of(good, image);

    if (good)
        printf("%s: good: services %u, pools %u, listeners %u\n", arguments->file,
               config.services.count, config.written_pools.count, config.listeners);
    return good;
}

static int run_check(int argc, char **argv)
{
    struct arguments arguments;
    struct buf image;
    bool good;

    if (!arguments_parse(&arguments,
                         ARGUMENT_FILE | ARGUMENT_NODE | ARGUMENT_OFFLINE | ARGUMENT_JSON, argc,
                         argv))
        return ARGUMENTS_EXIT;
    buf_init(&image, TEXT_MAX);
    good = arguments.json ? check_in_json(&arguments, &image) : check_in_words(&arguments, &image);
    buf_fini(&image);
    return good ? 0 : EXIT_OF_CONFIG;
}

static int run_show(int argc, char **argv)
{
    struct arguments arguments;
    struct buf image, text;
    bool good;

    if (!arguments_parse(&arguments,
                         ARGUMENT_FILE | ARGUMENT_NODE | ARGUMENT_OFFLINE | ARGUMENT_DEFAULTS, argc,
                         argv))
        return ARGUMENTS_EXIT;
    buf_init(&image, TEXT_MAX);
    buf_init(&text, TEXT_MAX);
    good = compile(&arguments, &image);
    if (good)
        schema_show(config_options, (struct image){image.at, image.len}, arguments.defaults, &text);
    buf_write(&text, stdout);
    buf_fini(&text);
    buf_fini(&image);
    return good ? 0 : EXIT_OF_CONFIG;
}

static int run_explain(int argc, char **argv)
{
    struct arguments arguments;
    const char *key, *nearest = NULL;
    struct buf text;
    bool known;

    if (!arguments_parse(&arguments, ARGUMENT_OPERAND, argc, argv))
        return ARGUMENTS_EXIT;
    key = arguments.operand ? arguments.operand : "";
    buf_init(&text, TEXT_MAX);
    known = schema_explain(config_options, key, &text, &nearest);
    buf_write(&text, stdout);
    buf_fini(&text);
    if (known)
        return 0;
    fprintf(stderr, "nines config explain: there is no key '%s'", key);
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?\n", nearest);
    else
        fprintf(stderr, "; `nines config explain` lists them all\n");
    return EXIT_FAILED;
}

static int run_schema(int argc, char **argv)
{
    struct arguments arguments;
    struct buf text;

    if (!arguments_parse(&arguments, 0, argc, argv))
        return ARGUMENTS_EXIT;
    buf_init(&text, TEXT_MAX);
    schema_json(config_options, &text);
    buf_write(&text, stdout);
    buf_fini(&text);
    return 0;
}

const struct command role_commands[] = {
    {"check", "-c FILE [--node NAME] [--no-resolve] [--json]", run_check,
     "Reads a configuration and says all that is wrong with it."},
    {"config show", "-c FILE [--node NAME] [--no-resolve] [--defaults]", run_show,
     "Prints the configuration as nines understands it; --defaults adds what was left out."},
    {"config explain", "[KEY]", run_explain, "Explains a key of the configuration, or lists all."},
    {"config schema", "", run_schema, "Prints the JSON Schema of the configuration, for editors."},
    {0},
};

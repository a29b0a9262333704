/*
 * Describes the room: the keys of a group that say how its data service is run and spoken to, and what they may not say together.
 */
#include "engine/engine.h"

#include <stddef.h>
#include <string.h>

#define FIELD(member) offsetof(struct engine_config, member)
#define PROBE(member) (FIELD(probe) + offsetof(struct engine_probe, member))

enum {
    WORDS_MAX = 64,
    WORD_BYTES_MAX = 1024,
    PROBE_BYTES_MAX = 512,
    UNIT_BYTES_MAX = 255,
    HOURS_MS = 3600000
};

/* In the order of enum engine_kind. */
static const char *const kinds[] = {"script", "store", NULL};

static const struct option word_options[] = {
    {"", OPTION_TEXT, offsetof(struct engine_word, text), 1, WORD_BYTES_MAX, NULL, AT_RELOAD, 0,
     "One word, as the program gets it: no shell reads it."},
    {0},
};

static const struct option restart_options[] = {
    {"attempts", OPTION_NUMBER, FIELD(restart_attempts), 0, 1000, "3", AT_RELOAD, 0,
     "So often a process that ended is started again at once. One that was used comes back after "
     "its share of the window: with 3 and 60s, after 20s."},
    {"window", OPTION_DURATION, FIELD(restart_window_ms), 1000, 24 * HOURS_MS, "60s", AT_RELOAD, 0,
     "The time within which all attempts come back."},
    {0},
};

static const struct option probe_options[] = {
    {"send", OPTION_TEXT, PROBE(send), 1, PROBE_BYTES_MAX, NULL, AT_RELOAD, OPTION_REQUIRED,
     "What a client writes, as bytes: \\r, \\n, \\t, \\\\ and \\xHH stand for what they do in C, "
     "and "
     "`{epoch}` for the group's epoch."},
    {"expect", OPTION_TEXT, PROBE(expect), 1, PROBE_BYTES_MAX, NULL, AT_RELOAD, OPTION_REQUIRED,
     "What the answer to a write that was taken begins with, written likewise."},
    {"timeout", OPTION_DURATION, PROBE(timeout_ms), 10, HOURS_MS, "1s", AT_RELOAD, 0,
     "A probe that is not answered by then has failed, connecting included."},
    {0},
};

const struct option engine_options[] = {
    {"engine", OPTION_CHOICE, FIELD(kind), 0, 0, "script", AT_RELOAD, 0,
     "What the data service is: `store`, the embedded one; or `script`, any other, by a program "
     "that "
     "reads one JSON object a line and answers with one.",
     .choices = kinds},
    {"command", OPTION_LIST, FIELD(command), 1, WORDS_MAX, NULL, AT_RELOAD, OPTION_ONE_OR_MORE,
     "Engine `script` needs it: its program and its arguments; what was changed takes effect when "
     "it is next "
     "started.",
     .rows = word_options, .item_size = sizeof(struct engine_word)},
    {"process", OPTION_LIST, FIELD(process), 1, WORDS_MAX, NULL, AT_RELOAD, OPTION_ONE_OR_MORE,
     "The data service's own program and arguments, which must stay in the foreground; nines "
     "starts, "
     "watches and kills it. What was changed takes effect when it is next started. Left out: "
     "something else runs it, and nobody kills it when its lease ends.",
     .rows = word_options, .item_size = sizeof(struct engine_word)},
    {"unit", OPTION_TEXT, FIELD(unit), 1, UNIT_BYTES_MAX, NULL, AT_RELOAD, 0,
     "Instead of `process`: a systemd unit (`redis-server@orders.service`) that nines starts, "
     "watches and kills through `systemctl`. It needs Restart=no. What was changed takes effect "
     "when it is next started."},
    {"user", OPTION_TEXT, FIELD(user), 1, 32, NULL, AT_RELOAD, 0,
     "Whom both become, when nines was started by root; left out: whom nines's own processes "
     "become."},
    {"directory", OPTION_TEXT, FIELD(directory), 1, 512, "/", AT_RELOAD, 0,
     "Where both run. Of engine `store`: where its data is; `/`: `store/GROUP` below nines's own "
     "directory."},
    {"timeout", OPTION_DURATION, FIELD(timeout_ms), 100, HOURS_MS, "5s", AT_RELOAD, 0,
     "An order that is not answered by then has failed, and the program is started again. A data "
     "service that has begun and does not answer by then is killed, and begins again."},
    {"copy_timeout", OPTION_DURATION, FIELD(copy_ms), 1000, 7 * 24 * HOURS_MS, "1h", AT_RELOAD, 0,
     "The same, for an order to copy or to rewind."},
    {"stop_timeout", OPTION_DURATION, FIELD(stop_ms), 100, HOURS_MS, "20s", AT_RELOAD, 0,
     "When nines stops, or the file does not have it run here any more: so long after SIGTERM the "
     "process is killed."},
    {"restart", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, 0,
     "How often a data service that ended is started again.", .rows = restart_options},
    {"probe", OPTION_SECTION, 0, 0, 0, NULL, AT_RELOAD, OPTION_PRESENCE,
     "A client's write, by which nines sees that a primary takes writes; left out: its program's "
     "word "
     "is believed.",
     .rows = probe_options, .present = FIELD(probed)},
    {0},
};

static bool is_probe_text(struct image image, struct ref ref)
{
    uint8_t storage[PROBE_BYTES_MAX + 32];
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    return engine_unescape(image_text(image, ref), UINT64_MAX, &out);
}

/* As systemd.unit(5) has it, for a service. */
static bool is_unit_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789:-_.\\@";
    static const char ending[] = ".service";
    size_t len = strlen(name), rest = strspn(name, allowed);

    return len >= sizeof ending && rest == len && name[0] != '-' &&
           strcmp(name + len - (sizeof ending - 1), ending) == 0;
}

static const char *unit_contradiction(const struct engine_config *config, struct image image)
{
    if (config->unit.count == 0)
        return NULL;
    if (config->process.count > 0)
        return "a group's data service is a `process` or a `unit`, not both";
    return is_unit_name(image_string(image, config->unit))
               ? NULL
               : "a unit is named as systemd names services, with its ending: "
                 "redis-server@orders.service";
}

static const char *kind_contradiction(const struct engine_config *config, const char **key)
{
    *key = "engine";
    if (config->kind == ENGINE_SCRIPT)
        return config->command.count > 0 ? NULL : "engine `script` needs a `command`";
    *key = "command";
    if (config->command.count > 0)
        return "engine `store` has no `command`: nines is the program";
    *key = "process";
    if (config->process.count > 0)
        return "engine `store` has no `process`: nines is the program";
    *key = "unit";
    return config->unit.count > 0 ? "engine `store` has no `unit`: nines is the program" : NULL;
}

const char *engine_contradiction(const struct engine_config *config, struct image image,
                                 const char **key)
{
    const char *why = kind_contradiction(config, key);

    if (why)
        return why;
    *key = "directory";
    if (image_string(image, config->directory)[0] != '/')
        return "the directory in which a group's programs run begins with '/'";
    *key = "unit";
    if (unit_contradiction(config, image))
        return unit_contradiction(config, image);
    if (!config->probed)
        return NULL;
    *key = "probe.send";
    if (!is_probe_text(image, config->probe.send))
        return "what a probe sends has a backslash that is none of \\r \\n \\t \\\\ \\xHH, or is "
               "too "
               "long";
    *key = "probe.expect";
    if (!is_probe_text(image, config->probe.expect))
        return "what a probe expects has a backslash that is none of \\r \\n \\t \\\\ \\xHH, or is "
               "too "
               "long";
    return NULL;
}

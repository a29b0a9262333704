/*
 * Which rights a command needs of each of its keys: to read it if its value is told or goes elsewhere, to write it if it is changed. As Redis 7.0's table has it.
 */
#include "store/session_parts.h"

enum { READ = 1, WRITE = 2, BOTH = READ | WRITE };

struct access {
    const char *name;
    uint8_t first, others; /* keys */
};

/* Of those that write; what is not here only writes. */
static const struct access accesses[] = {
    {"copy", READ, WRITE},        {"decr", BOTH, BOTH},         {"decrby", BOTH, BOTH},
    {"getdel", BOTH, BOTH},       {"getex", BOTH, BOTH},        {"getset", BOTH, BOTH},
    {"hincrby", BOTH, BOTH},      {"hincrbyfloat", BOTH, BOTH}, {"incr", BOTH, BOTH},
    {"incrby", BOTH, BOTH},       {"incrbyfloat", BOTH, BOTH},  {"lmove", BOTH, WRITE},
    {"lmpop", BOTH, BOTH},        {"lpop", BOTH, BOTH},         {"rename", BOTH, WRITE},
    {"renamenx", BOTH, WRITE},    {"rpop", BOTH, BOTH},         {"rpoplpush", BOTH, WRITE},
    {"sdiffstore", WRITE, READ},  {"sinterstore", WRITE, READ}, {"smove", BOTH, WRITE},
    {"spop", BOTH, BOTH},         {"sunionstore", WRITE, READ}, {"zdiffstore", WRITE, READ},
    {"zincrby", BOTH, BOTH},      {"zinterstore", WRITE, READ}, {"zmpop", BOTH, BOTH},
    {"zpopmax", BOTH, BOTH},      {"zpopmin", BOTH, BOTH},      {"zrangestore", WRITE, READ},
    {"zunionstore", WRITE, READ},
};

/* SET tells what was there when it is asked to. */
static bool is_set_get(const struct command *command, const struct bytes *words, uint32_t count)
{
    if (strcmp(command->name, "set") != 0)
        return false;
    for (uint32_t i = 3; i < count; i++)
        if (bytes_equal_nocase(words[i], BYTES("get")))
            return true;
    return false;
}

static struct access access_of(const struct command *command, const struct bytes *words,
                               uint32_t count)
{
    if (!(command->flags & COMMAND_WRITE))
        return (struct access){command->name, READ, READ};
    for (size_t i = 0; i < ARRAY_LEN(accesses); i++)
        if (strcmp(command->name, accesses[i].name) == 0)
            return accesses[i];
    if (is_set_get(command, words, count))
        return (struct access){command->name, BOTH, BOTH};
    return (struct access){command->name, WRITE, WRITE};
}

bool session_may_keys(const struct session *session, const struct command *command,
                      const struct bytes *words, uint32_t count)
{
    struct access access = access_of(command, words, count);
    uint32_t place;

    for (uint32_t n = 0; (place = command_key(command, words, count, n)) > 0; n++) {
        uint8_t needed = n == 0 ? access.first : access.others;

        if (!user_may_key(session->user, words[place], needed & READ, needed & WRITE))
            return false;
    }
    return true;
}

/*
 * Describes the room: the keys of a group that the embedded store has.
 */
#include "store/store.h"

#include <stddef.h>

#define FIELD(member) offsetof(struct store_config, member)

enum { MINUTES_MS = 60000 };

/* In the order of their enums. */
static const char *const evictions[] = {"none", "lru", "lfu", "ttl", NULL};
static const char *const consistencies[] = {"strong", "session", "bounded", "eventual", NULL};

#define TLS(member) offsetof(struct store_tls, member)

static const struct option tls_rows[] = {
    {"certificate", OPTION_TEXT, TLS(certificate), 1, 1024, NULL, AT_RELOAD, OPTION_REQUIRED,
     "PEM file of the certificate that is shown to clients, and of those between it and its "
     "authority; a reload reads it again."},
    {"key", OPTION_TEXT, TLS(key), 1, 1024, NULL, AT_RELOAD, OPTION_REQUIRED,
     "PEM file of the certificate's key, not encrypted; whoever the store runs as has to be able "
     "to read it."},
    {"authority", OPTION_TEXT, TLS(authority), 1, 1024, NULL, AT_RELOAD, 0,
     "PEM file of the authority that clients must have a certificate of; left out: they need "
     "none."},
    {"port", OPTION_NUMBER, TLS(port), 0, 65535, "0", AT_RELOAD, 0,
     "Where TLS is spoken at the member's address, beside its port, which stays in the clear; 0: "
     "at its port, and nothing is in the clear. Takes effect when the store is next started."},
    {0},
};

#define USER(member) offsetof(struct store_user, member)

static const struct option user_rows[] = {
    {"password", OPTION_TEXT, USER(password), 1, 512, NULL, AT_RELOAD, 0,
     "What it says to AUTH; nines keeps the hash alone."},
    {"password_hash", OPTION_TEXT, USER(password_hash), 64, 64, NULL, AT_RELOAD, 0,
     "The same, so that the file does not have it: its SHA-256, in 64 hexadecimal digits."},
    {"rules", OPTION_TEXT, USER(rules), 1, 4096, "~* &* +@all", AT_RELOAD, 0,
     "What it may do, as ACL SETUSER has it: `+@read ~app:* -flushall`; `off`: not even that."},
    {0},
};

void store_user_rules(struct image image, const struct store_user *user, struct buf *out)
{
    buf_add_string(out, "on ");
    if (user->password_hash.count > 0)
        buf_print(out, "#%s ", image_string(image, user->password_hash));
    buf_add(out, image_text(image, user->rules));
}

const char *store_consistency_name(enum store_consistency consistency)
{
    return consistencies[consistency];
}

const struct option store_options[] = {
    {"max_memory", OPTION_SIZE, FIELD(max_memory), 0, INT64_MAX, "0", AT_RELOAD, 0,
     "Engine `store`: keys and values take at most so much memory; 0 is no limit. Takes effect "
     "when the store is next started."},
    {"eviction", OPTION_CHOICE, FIELD(eviction), 0, 0, "none", AT_RELOAD, 0,
     "Engine `store`: what goes when `max_memory` is reached: nothing (writes are refused), what "
     "was used least recently, what is used least often, or what expires next.",
     .choices = evictions},
    {"max_clients", OPTION_NUMBER, FIELD(max_clients), 1, 1000000, "10000", AT_RELOAD, 0,
     "Engine `store`: connections of one member; more are refused."},
    {"store_hold", OPTION_DURATION, FIELD(hold_ms), 0, 60 * MINUTES_MS, "10s", AT_RELOAD, 0,
     "Engine `store`: a command that needs the primary waits so long while there is none."},
    {"consistency", OPTION_CHOICE, FIELD(consistency), 0, 0, "strong", AT_RELOAD, 0,
     "Engine `store`: what a read returns at least, unless its connection says otherwise: "
     "`strong`, every acknowledged write; `session`, what this connection has seen; `bounded`, "
     "what is older than "
     "`staleness`; `eventual`, whatever the member has.",
     .choices = consistencies},
    {"staleness", OPTION_DURATION, FIELD(bound_ms), 1, 60 * MINUTES_MS, "500ms", AT_RELOAD, 0,
     "Engine `store`: of `consistency: bounded`."},
    {"checkpoint", OPTION_SIZE, FIELD(checkpoint_bytes), 1 << 20, INT64_MAX, "256MiB", AT_RELOAD, 0,
     "Engine `store`: after so much log the state is written down, and a restart begins there; as "
     "much of the log before it is kept for members that come back."},
    {"tls", OPTION_SECTION, FIELD(tls), 0, 0, NULL, AT_RELOAD, OPTION_PRESENCE,
     "Engine `store`: clients speak TLS 1.2 or 1.3. Taken in, or left out, when the store is next "
     "started.",
     .rows = tls_rows, .present = FIELD(covered)},
    {"users", OPTION_MAP, FIELD(users), 0, STORE_USERS_MAX, NULL, AT_RELOAD, 0,
     "Engine `store`: users by name; `default` is who a client is that says nothing. The primary "
     "writes them into the log; ACL changes other users, never these.",
     .rows = user_rows, .item_size = sizeof(struct store_user)},
    {0},
};

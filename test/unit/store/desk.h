/*
 * A desk whose ledger is a list: records wait in it until commit() says that they are committed. Members are wired by queues of messages.
 */
#pragma once

#include "store/session.h"
#include "store/space.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES_MAX = 8192, DESKS_MAX = 3 };

struct appended {
    uint8_t *at;
    size_t len;
    uint64_t cookie;
};

struct letter {
    uint32_t from, to;
    uint8_t *at;
    size_t len;
};

struct table {
    struct desk desk;
    struct ledger_view view;
    struct engine_status status;
    struct space *space;
    bool lease;
    enum ledger_refusal refuses; /* TAKEN: nothing */
    struct appended entries[ENTRIES_MAX];
    uint32_t appended, executed;
    uint64_t base; /* position of the entry before the first */
    uint32_t id;
};

static struct letter letters[ENTRIES_MAX];
static uint32_t letter_count;

static inline uint64_t table_append(void *context, struct bytes record, uint64_t cookie,
                                    enum ledger_refusal *why)
{
    struct table *t = context;
    struct appended *entry = &t->entries[t->appended];

    *why = t->refuses;
    if (t->refuses != LEDGER_TAKEN)
        return 0;
    assert_true(t->appended < ENTRIES_MAX);
    entry->at = malloc(record.len);
    memcpy(entry->at, record.at, record.len);
    entry->len = record.len;
    entry->cookie = cookie;
    return t->base + ++t->appended;
}

static inline bool table_send(void *context, uint32_t member, struct bytes bytes)
{
    struct table *t = context;
    struct letter *letter = &letters[letter_count++];

    assert_true(letter_count < ENTRIES_MAX);
    *letter = (struct letter){t->id, member, malloc(bytes.len), bytes.len};
    memcpy(letter->at, bytes.at, bytes.len);
    return true;
}

static inline const struct ledger_view *table_view(void *context)
{
    return &((struct table *)context)->view;
}

static inline bool table_may_act(void *context)
{
    return ((struct table *)context)->lease;
}

static inline void table_status(void *context, struct engine_status *status)
{
    *status = ((struct table *)context)->status;
}

static inline void table_open(struct table *t, uint32_t id, bool primary)
{
    static const struct space_options space_options = {.seed = 1};
    struct err err;
    struct desk_options options = {
        .log = {t, table_append, table_send, table_view, table_may_act, table_status},
        .settings = {.clients_max = 100,
                     .hold_ms = 10000,
                     .out_max = SESSION_OUT_MAX,
                     .bound_ms = 500,
                     .group = "g",
                     .self = "a",
                     .directory = "/"},
        .seed = 7,
        .now_ms = 1000,
        .wall_ms = 1700000000000,
        .sessions_max = 128};

    memset(t, 0, sizeof *t);
    t->id = id;
    t->lease = true;
    t->space = space_open(&space_options);
    t->view = (struct ledger_view){.role = primary ? ENGINE_PRIMARY : ENGINE_SECONDARY,
                                   .writable = primary,
                                   .established = primary,
                                   .linked = true,
                                   .epoch = 1,
                                   .primary = 1};
    options.space = t->space;
    assert_true(desk_open(&t->desk, &options, &err));
}

static inline void table_close(struct table *t)
{
    for (uint32_t i = 0; i < t->appended; i++)
        free(t->entries[i].at);
    desk_close(&t->desk);
    space_close(t->space);
}

/* Executes what was appended, on this member; then the others, whose entries have no cookie. */
static inline void commit(struct table *t)
{
    while (t->executed < t->appended) {
        struct appended *entry = &t->entries[t->executed++];

        t->view.executed = t->base + t->executed;
        desk_execute(&t->desk, (struct position){1, t->view.executed},
                     bytes_of(entry->at, entry->len), entry->cookie);
    }
    desk_executed(&t->desk);
}

static inline void copy_to(struct table *from, struct table *to)
{
    for (uint32_t i = to->appended; i < from->executed; i++) {
        struct appended *entry = &to->entries[to->appended++];

        *entry = (struct appended){malloc(from->entries[i].len), from->entries[i].len, 0};
        memcpy(entry->at, from->entries[i].at, entry->len);
    }
    commit(to);
}

/* Delivers to these members what is on its way to them, and what comes of that. */
static inline void deliver_letters(struct table *const *tables, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < letter_count; i++) {
        struct letter letter = letters[i];
        struct table *to = NULL;

        for (uint32_t at = 0; at < count; at++)
            to = tables[at]->id == letter.to ? tables[at] : to;
        if (!to) {
            letters[kept++] = letter;
            continue;
        }
        desk_message(&to->desk, letter.from, bytes_of(letter.at, letter.len));
        free(letter.at);
    }
    letter_count = kept;
}

static inline void drop_letters(void)
{
    while (letter_count > 0)
        free(letters[--letter_count].at);
}

static inline void say(struct table *t, struct session *session, const char *text)
{
    session_feed(&t->desk, session, bytes_of_string(text));
}

/* What was replied since, with line ends shown as spaces. */
static inline const char *heard(struct session *session)
{
    static char text[65536];
    size_t len = 0;

    assert_true(session->out.len < sizeof text);
    for (size_t i = 0; i < session->out.len; i++)
        if (session->out.at[i] == '\r')
            text[len++] = ' ';
        else if (session->out.at[i] != '\n')
            text[len++] = (char)session->out.at[i];
    text[len] = '\0';
    buf_clear(&session->out);
    return text;
}

static inline void come(struct table *t, struct session *session)
{
    assert_true(session_open(&t->desk, session, "127.0.0.1:1000", "127.0.0.1:6379"));
}

static inline void pass_ms(struct table *t, int64_t ms)
{
    t->desk.now_ms += ms;
    t->desk.wall_ms += ms;
    (void)desk_tick(&t->desk);
}

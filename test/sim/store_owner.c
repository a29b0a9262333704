#include "store_owner.h"

#include "base/hash.h"
#include "base/must.h"
#include "net/net.h"
#include "store/row.h"
#include "store/space.h"

#include <stdlib.h>

enum {
    TICK_MS = 25,
    HOLD_MS = 1500,
    IMAGE_MAX = 16 << 20,
    REQUEST_MAX = 160,
    NAME_MAX_BYTES = 8,
};

enum asked { ASKED_NOTHING, ASKED_UNWATCH, ASKED_SET, ASKED_GET, ASKED_WATCH, ASKED_EXEC };

struct client {
    struct session session;
    struct owner *owner;
    uint8_t asked;
    uint32_t answers; /* that came */
    uint32_t key, value;
    uint32_t watched; /* the value that was read after WATCH */
    uint64_t floor;   /* what was known when it was asked */
    uint64_t own;     /* the greatest position that this client knows of */
    bool weak;        /* reads of its own member, which has what this client knows of */
    bool done_in_calm;
};

struct owner {
    struct owner_options options;
    struct owner_book *book;
    struct sim *sim;
    struct desk desk;
    struct client clients[OWNER_CLIENTS];
    struct timer tick;
    uint64_t executed;
};

static struct bytes key_name(uint32_t key, char name[NAME_MAX_BYTES])
{
    return bytes_of(name, (size_t)snprintf(name, NAME_MAX_BYTES, "k%u", key));
}

static void enter(struct owner *o)
{
    o->desk.now_ms = loop_now(o->options.host->loop).ns / NS_PER_MS;
    o->desk.wall_ms = loop_read_clock(o->options.host->loop, LOOP_WALL).ns / NS_PER_MS;
}

/* ---- what happened ---- */

static uint64_t digest(const struct owner *o)
{
    uint64_t all = 1;

    for (uint32_t key = 0; key < OWNER_KEYS; key++) {
        char name[NAME_MAX_BYTES], digits[ENTRY_DIGITS_MAX];
        struct spot spot = space_spot(o->desk.execution.space, key_name(key, name));

        all = hash_number(all, spot.entry ? spot.entry->version : 0);
        if (!spot.entry)
            continue;
        all = hash_number(all, (uint64_t)entry_expires(spot.entry));
        all = hash_bytes(all, entry_text(spot.entry, digits));
    }
    return all | 1;
}

static void note(struct owner *o, uint32_t key, struct owner_change change)
{
    struct owner_book *book = o->book;

    must(change.value < OWNER_VALUES && book->counts[key] < 2 * OWNER_VALUES);
    book->changes[key][book->counts[key]++] = change;
    if (change.value == 0)
        return;
    if (book->positions[change.value] != 0)
        sim_violated(o->sim, "a write is done once", "%u at %llu and at %llu", change.value,
                     (unsigned long long)book->positions[change.value],
                     (unsigned long long)change.position);
    if (book->refused[change.value])
        sim_violated(o->sim, "what was told not to be done never is", "%u at %llu", change.value,
                     (unsigned long long)change.position);
    book->positions[change.value] = change.position;
}

static const struct owner_change *newest(const struct owner_book *book, uint32_t key)
{
    static const struct owner_change nothing;
    uint32_t count = book->counts[key];

    return count > 0 ? &book->changes[key][count - 1] : &nothing;
}

/* The first that executes a record shows what it did. */
static void note_all(struct owner *o, uint64_t position)
{
    for (uint32_t key = 0; key < OWNER_KEYS; key++) {
        char name[NAME_MAX_BYTES];
        struct spot spot = space_spot(o->desk.execution.space, key_name(key, name));
        struct owner_change change = {.position = position};
        int64_t number = 0;

        if (spot.entry && spot.entry->version == position) {
            must(entry_number(spot.entry, &number));
            change.value = (uint32_t)number;
            change.timed = spot.entry->timed;
            note(o, key, change);
        } else if (!spot.entry && newest(o->book, key)->value != 0) {
            note(o, key, change);
        }
    }
}

static void compare(struct owner *o, uint64_t position)
{
    uint64_t now = digest(o);

    must(position < OWNER_POSITIONS);
    if (o->book->contents[position] == 0)
        o->book->contents[position] = now;
    if (o->book->contents[position] != now)
        sim_violated(o->sim, "equal positions, equal keys", "host %u differs at %llu",
                     o->options.index + 1, (unsigned long long)position);
}

/* ---- whether an answer fits ---- */

/* The register held the value at some moment since `floor`. Where a clock may have ended it, nothing was there either. */
static const struct owner_change *held(const struct owner_book *book, uint32_t key, uint32_t value,
                                       uint64_t floor)
{
    static const struct owner_change nothing;
    const struct owner_change *changes = book->changes[key];

    for (uint32_t i = book->counts[key]; i > 0; i--) {
        if (changes[i - 1].value == value || (value == 0 && changes[i - 1].timed))
            return &changes[i - 1];
        if (changes[i - 1].position <= floor)
            return NULL;
    }
    return value == 0 ? &nothing : NULL;
}

static void know(struct client *client, uint64_t position)
{
    struct owner_book *book = client->owner->book;

    if (position > book->seen)
        book->seen = position;
    if (position > client->own)
        client->own = position;
}

static void check_read(struct client *client, uint32_t value)
{
    struct owner *o = client->owner;
    const struct owner_change *change;
    uint64_t floor = client->weak ? client->own : client->floor;

    must(value < OWNER_VALUES);
    if (value != 0 && o->book->positions[value] == 0)
        sim_violated(o->sim, "reads see what is committed", "k%u was %u at host %u", client->key,
                     value, o->options.index + 1);
    change = held(o->book, client->key, value, floor);
    if (!change)
        sim_violated(o->sim,
                     client->weak ? "a session sees what it has seen"
                                  : "reads see what was acknowledged",
                     "k%u was %u at host %u, after %llu was known", client->key, value,
                     o->options.index + 1, (unsigned long long)floor);
    else if (value != 0)
        know(client, change->position);
}

static void check_exchange(struct client *client, uint64_t position)
{
    const struct owner_book *book = client->owner->book;

    for (uint32_t i = book->counts[client->key]; i > 0; i--) {
        const struct owner_change *change = &book->changes[client->key][i - 1];

        if (change->position >= position)
            continue;
        if (change->value != client->watched && !(client->watched == 0 && change->timed))
            sim_violated(client->owner->sim, "an exchange finds what was watched",
                         "k%u held %u at %llu, and %u was read before", client->key, change->value,
                         (unsigned long long)position, client->watched);
        return;
    }
    if (client->watched != 0)
        sim_violated(client->owner->sim, "an exchange finds what was watched", "k%u held nothing",
                     client->key);
}

static void check_written(struct client *client)
{
    struct owner *o = client->owner;
    uint64_t position = o->book->positions[client->value];

    if (position == 0)
        sim_violated(o->sim, "what is acknowledged was done", "%u of host %u", client->value,
                     o->options.index + 1);
    if (position <= client->floor)
        sim_violated(o->sim, "writes come after what was known", "%u is at %llu, not after %llu",
                     client->value, (unsigned long long)position,
                     (unsigned long long)client->floor);
    if (client->asked == ASKED_EXEC)
        check_exchange(client, position);
    know(client, position);
}

static void check_refused(struct client *client)
{
    struct owner_book *book = client->owner->book;

    if (book->positions[client->value] != 0)
        sim_violated(client->owner->sim, "what was told not to be done never is", "%u is at %llu",
                     client->value, (unsigned long long)book->positions[client->value]);
    book->refused[client->value] = true;
}

/* ---- answers ---- */

struct answer {
    char kind; /* the first byte of a reply; '0' where it is nothing */
    struct bytes text;
};

static bool take_line(struct bytes *bytes, struct bytes *line)
{
    size_t end = bytes_find(*bytes, '\n');

    if (end >= bytes->len)
        return false;
    must(end >= 2);
    *line = bytes_take(*bytes, end - 1);
    *bytes = bytes_skip(*bytes, end + 1);
    return true;
}

/* Of an array only whether it is one: none of ours holds more than one short line. */
static bool take_answer(struct bytes *bytes, struct answer *answer)
{
    struct bytes line, rest = *bytes, inner;
    char kind;

    if (!take_line(&rest, &line))
        return false;
    kind = (char)line.at[0];
    *answer = (struct answer){kind, bytes_skip(line, 1)};
    if ((kind == '$' || kind == '*') && line.at[1] == '-')
        answer->kind = '0';
    else if (kind == '$' && !take_line(&rest, &answer->text))
        return false;
    else if (kind == '*' && !take_line(&rest, &inner))
        return false;
    *bytes = rest;
    return true;
}

static bool begins(struct bytes text, const char *word)
{
    return bytes_equal(bytes_take(text, strlen(word)), bytes_of(word, strlen(word)));
}

static uint32_t number_of(struct bytes text)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.len; i++)
        number = number * 10 + (uint32_t)(text.at[i] - '0');
    return number;
}

static void take_error(struct client *client, struct bytes text)
{
    bool writes = client->asked == ASKED_SET || client->asked == ASKED_EXEC;

    if (begins(text, "TRYAGAIN") || begins(text, "MISCONF")) {
        if (writes)
            check_refused(client);
    } else if (!writes || !begins(text, "UNKNOWN")) {
        sim_violated(client->owner->sim, "answers are those that a client knows", "%.*s",
                     (int)text.len, (const char *)text.at);
    }
}

static void finish(struct client *client)
{
    struct owner *o = client->owner;

    client->asked = ASKED_NOTHING;
    client->answers = 0;
    o->book->answered++;
    client->done_in_calm |= o->sim->calm;
}

static void feed(struct client *client, const char *request)
{
    session_feed(&client->owner->desk, &client->session, bytes_of(request, strlen(request)));
    session_touch(&client->owner->desk, &client->session);
}

static void exchange(struct client *client)
{
    char request[REQUEST_MAX];

    client->asked = ASKED_EXEC;
    client->answers = 0;
    client->value = ++client->owner->book->values;
    (void)snprintf(request, sizeof request, "MULTI\r\nSET k%u %u\r\nEXEC\r\n", client->key,
                   client->value);
    feed(client, request);
}

static void take_exec(struct client *client, const struct answer *answer)
{
    if (client->answers < 3)
        return;
    if (answer->kind == '*')
        check_written(client);
    else if (answer->kind == '0')
        check_refused(client);
    else
        take_error(client, answer->text);
    finish(client);
}

static void take_watch(struct client *client, const struct answer *answer)
{
    if (client->answers < 2)
        return;
    if (answer->kind == '-') {
        take_error(client, answer->text);
        feed(client, "UNWATCH\r\n");
        client->asked = ASKED_UNWATCH;
        return;
    }
    client->watched = answer->kind == '$' ? number_of(answer->text) : 0;
    check_read(client, client->watched);
    if (client->owner->book->values + 1 < OWNER_VALUES)
        exchange(client);
    else
        finish(client);
}

static void take(struct client *client, const struct answer *answer)
{
    client->answers++;
    switch ((enum asked)client->asked) {
    case ASKED_SET:
        if (answer->kind == '+')
            check_written(client);
        else
            take_error(client, answer->text);
        finish(client);
        break;
    case ASKED_GET:
        if (answer->kind == '-')
            take_error(client, answer->text);
        else
            check_read(client, answer->kind == '$' ? number_of(answer->text) : 0);
        finish(client);
        break;
    case ASKED_WATCH:
        take_watch(client, answer);
        break;
    case ASKED_EXEC:
        take_exec(client, answer);
        break;
    case ASKED_UNWATCH:
        finish(client);
        break;
    case ASKED_NOTHING:
        sim_violated(client->owner->sim, "one answer a request", "host %u says %c",
                     client->owner->options.index + 1, answer->kind);
        break;
    }
}

/* What clients were answered is theirs at once. */
static void leave(struct owner *o)
{
    struct list *node;

    while ((node = list_pop_front(&o->desk.dirty))) {
        struct client *client =
            container_of(container_of(node, struct session, dirty), struct client, session);
        uint8_t kept[4096];
        struct bytes bytes = buf_bytes(&client->session.out);
        struct answer answer;

        must(bytes.len < sizeof kept && !client->session.closing);
        if (bytes.len == 0)
            continue;
        memcpy(kept, bytes.at, bytes.len);
        bytes.at = kept;
        buf_clear(&client->session.out);
        session_drained(&o->desk, &client->session, 0);
        while (bytes.len > 0 && !o->options.host->ending) {
            must(take_answer(&bytes, &answer));
            take(client, &answer);
        }
    }
}

static void on_tick(struct timer *timer)
{
    struct owner *o = container_of(timer, struct owner, tick);

    if (o->options.host->ending)
        return;
    enter(o);
    (void)desk_tick(&o->desk);
    leave(o);
    timer_arm(o->options.host->loop, timer, after_ms(loop_now(o->options.host->loop), TICK_MS));
}

/* ---- clients ---- */

static void ask(struct client *client)
{
    struct owner_book *book = client->owner->book;
    struct rng *rng = &client->owner->sim->load;
    char request[REQUEST_MAX];
    int64_t what = rng_between(rng, 0, 9);

    if (client->asked != ASKED_NOTHING)
        return;
    client->key = (uint32_t)rng_below(rng, OWNER_KEYS);
    client->floor = book->seen;
    client->answers = 0;
    if (what < 4 || book->values + 2 >= OWNER_VALUES) {
        client->asked = ASKED_GET;
        (void)snprintf(request, sizeof request, "GET k%u\r\n", client->key);
    } else if (what < 7 && !client->weak) {
        client->asked = ASKED_WATCH;
        (void)snprintf(request, sizeof request, "WATCH k%u\r\nGET k%u\r\n", client->key,
                       client->key);
    } else {
        client->asked = ASKED_SET;
        client->value = ++book->values;
        if (rng_chance(rng, 0.3))
            (void)snprintf(request, sizeof request, "SET k%u %u PX %lld\r\n", client->key,
                           client->value, (long long)rng_between(rng, 1, 500));
        else
            (void)snprintf(request, sizeof request, "SET k%u %u\r\n", client->key, client->value);
    }
    feed(client, request);
}

void owner_ask(struct owner *o)
{
    enter(o);
    ask(&o->clients[rng_below(&o->sim->load, OWNER_CLIENTS)]);
    leave(o);
}

void owner_calm(struct owner *o)
{
    for (int i = 0; i < OWNER_CLIENTS; i++)
        o->clients[i].done_in_calm = false;
}

bool owner_has_answered(const struct owner *o)
{
    for (int i = 0; i < OWNER_CLIENTS; i++)
        if (!o->clients[i].done_in_calm)
            return false;
    return true;
}

/* ---- what the ledger tells ---- */

uint64_t owner_execute(struct owner *o, struct position position, struct bytes record,
                       uint64_t cookie)
{
    uint64_t given;

    enter(o);
    given = desk_execute(&o->desk, position, record, cookie);
    if (position.offset > o->book->last) {
        o->book->last = position.offset;
        note_all(o, position.offset);
    }
    o->executed = position.offset;
    compare(o, position.offset);
    return given;
}

void owner_executed(struct owner *o)
{
    enter(o);
    desk_executed(&o->desk);
    leave(o);
}

void owner_unknown(struct owner *o, uint64_t cookie)
{
    enter(o);
    desk_unknown(&o->desk, cookie);
    leave(o);
}

void owner_state(struct owner *o)
{
    enter(o);
    desk_state(&o->desk);
    leave(o);
}

void owner_roomy(struct owner *o)
{
    enter(o);
    desk_roomy(&o->desk);
    leave(o);
}

void owner_linked(struct owner *o, uint32_t member, bool up)
{
    enter(o);
    desk_linked(&o->desk, member, up);
    leave(o);
}

void owner_message(struct owner *o, uint32_t member, struct bytes bytes)
{
    enter(o);
    desk_message(&o->desk, member, bytes);
    leave(o);
}

/* ---- what is saved ---- */

void owner_save(struct owner *o, struct buf *image)
{
    struct space *space = o->desk.execution.space;
    struct row row = {.kind = ROW_PUT};
    struct buf rest;
    enum space_cut kind;

    buf_clear(image);
    buf_init(&rest, IMAGE_MAX);
    desk_save(&o->desk, &rest);
    row_put(image, &(struct row){.kind = ROW_OWNER, .value = buf_bytes(&rest)});
    buf_fini(&rest);
    space_cut_fail(space); /* all of it, each time */
    space_cut_begin(space, o->executed);
    while ((kind = space_cut_next(space, &row.name, &row.value)) != SPACE_CUT_END)
        if (kind == SPACE_CUT_PUT)
            row_put(image, &row);
    must(!image->full);
}

void owner_empty(struct owner *o)
{
    struct space *old = o->desk.execution.space;

    o->desk.execution.space =
        space_open(&(struct space_options){.seed = rng_next(&o->sim->load), .tracked = true});
    space_close(old);
}

void owner_load(struct owner *o, struct bytes image, uint64_t position)
{
    struct row row;

    while (image.len > 0) {
        must(row_take(&image, &row) == ROW_WHOLE);
        if (row.kind == ROW_OWNER)
            must(desk_load(&o->desk, row.value));
        else
            must(row.kind == ROW_PUT && value_read(o->desk.execution.space, row.name, row.value));
    }
    o->executed = position;
    if (position > 0)
        compare(o, position);
}

/* ---- opening ---- */

struct owner *owner_open(const struct owner_options *options)
{
    struct owner *o = calloc(1, sizeof *o);
    struct loop *loop = options->host->loop;
    struct desk_options desk = {
        .log = options->log,
        .settings = {.clients_max = OWNER_CLIENTS,
                     .hold_ms = HOLD_MS,
                     .out_max = SESSION_OUT_MAX,
                     .bound_ms = HOLD_MS,
                     .group = "store",
                     .self = "host",
                     .directory = "/"},
        .sessions_max = OWNER_CLIENTS,
    };
    struct err err;

    must(o);
    o->options = *options;
    o->book = options->book;
    o->sim = options->book->sim;
    desk.seed = rng_next(&o->sim->load);
    desk.now_ms = loop_now(loop).ns / NS_PER_MS;
    desk.wall_ms = loop_read_clock(loop, LOOP_WALL).ns / NS_PER_MS;
    desk.space = space_open(&(struct space_options){.seed = desk.seed, .tracked = true});
    must(desk_open(&o->desk, &desk, &err));
    for (int i = 0; i < OWNER_CLIENTS; i++) {
        o->clients[i].owner = o;
        must(session_open(&o->desk, &o->clients[i].session, "client", "server"));
    }
    o->clients[0].weak = true;
    o->clients[0].session.consistency = STORE_SESSION;
    timer_init(&o->tick, on_tick);
    timer_arm(loop, &o->tick, after_ms(loop_now(loop), TICK_MS));
    return o;
}

/* Those that wait for an answer never get it. */
void owner_close(struct owner *o)
{
    struct space *space;

    if (!o)
        return;
    timer_cancel(o->options.host->loop, &o->tick);
    for (int i = 0; i < OWNER_CLIENTS; i++)
        session_close(&o->desk, &o->clients[i].session);
    space = o->desk.execution.space;
    desk_close(&o->desk);
    space_close(space);
    free(o);
}

/*
 * LMDB takes keys of 511 bytes: a longer name stands before its value, under its digest. The map is so large that what fits into memory never fills it; it costs
 * addresses, and the file is as long as what was written.
 */
#include "store/drive_state.h"

#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    STATE_VERSION = 1,
    NAME_PLAIN_MAX = 500,
    KEY_BYTES = 512,
    HEAD_BYTES = 28,
    MAP_FACTOR = 16,       /* of the machine's memory */
    FULL_BYTES = 16 << 20, /* are less than what a write may have asked for */
    FILE_MODE = 0640,
    DIRECTORY_MODE = 0750,
};

/* The first byte of a key. */
enum key_kind { KEY_HEAD, KEY_PLAIN, KEY_HASHED };

struct state {
    MDB_env *env;
    MDB_dbi rows;
    MDB_txn *txn; /* the write under way */
    bool broken;
    struct err err; /* why */
    struct buf owner;
};

struct state_reader {
    MDB_txn *txn;
    MDB_cursor *cursor;
    bool begun;
    struct buf owner;
};

static bool failed(struct err *err, int result, const char *what)
{
    bool room = result == MDB_MAP_FULL || result == MDB_TXN_FULL;
    int number = result > 0 ? result : room ? ENOSPC : 0;

    err_record(err, ERR_SYSTEM, number, "%s: %s", what, mdb_strerror(result));
    return false;
}

bool state_lacked_room(const struct err *err)
{
    return err->number == ENOSPC || err->number == EDQUOT || err->number == ENOMEM;
}

/* ---- keys ---- */

static MDB_val val_of(struct bytes bytes)
{
    return (MDB_val){.mv_size = bytes.len, .mv_data = (void *)(uintptr_t)bytes.at};
}

static struct bytes bytes_of_val(const MDB_val *val)
{
    return bytes_of(val->mv_data, val->mv_size);
}

static MDB_val key_of(struct bytes name, uint8_t storage[KEY_BYTES])
{
    bool plain = name.len <= NAME_PLAIN_MAX;

    storage[0] = plain ? KEY_PLAIN : KEY_HASHED;
    if (!plain)
        sha256(name, storage + 1);
    else if (name.len > 0)
        memcpy(storage + 1, name.at, name.len);
    return (MDB_val){.mv_size = 1 + (plain ? name.len : SHA256_BYTES), .mv_data = storage};
}

static MDB_val head_key(uint8_t storage[1])
{
    storage[0] = KEY_HEAD;
    return (MDB_val){.mv_size = 1, .mv_data = storage};
}

/* ---- opening ---- */

static bool sync_directory(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        err_record_errno(err, "sync '%s'", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* LMDB syncs what is in its files, not their names. */
static bool sync_names(const char *directory, struct err *err)
{
    char parent[4096];
    const char *slash = strrchr(directory, '/');

    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - directory) : 1,
             slash ? directory : ".");
    return sync_directory(directory, err) && sync_directory(parent[0] ? parent : "/", err);
}

static size_t map_bytes(void)
{
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), page = (uint64_t)sysconf(_SC_PAGESIZE);

    return (size_t)(pages * page * MAP_FACTOR);
}

static int open_rows(struct state *state)
{
    MDB_txn *txn;
    int dead, result = mdb_reader_check(state->env, &dead);

    if (result == 0)
        result = mdb_txn_begin(state->env, NULL, 0, &txn);
    if (result != 0)
        return result;
    result = mdb_dbi_open(txn, NULL, 0, &state->rows);
    if (result == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return result;
}

bool state_open(struct state **out, const char *directory, struct err *err)
{
    struct state *state = calloc(1, sizeof *state);
    int result;

    must(state);
    buf_init(&state->owner, UINT32_MAX);
    if (mkdirat(AT_FDCWD, directory, DIRECTORY_MODE) < 0 && errno != EEXIST) {
        free(state);
        return err_system(err, "make '%s'", directory);
    }
    result = mdb_env_create(&state->env);
    if (result == 0)
        result = mdb_env_set_mapsize(state->env, map_bytes());
    if (result == 0)
        result = mdb_env_open(state->env, directory, MDB_NOTLS, FILE_MODE);
    if (result == 0)
        result = open_rows(state);
    if (result != 0)
        failed(err, result, directory);
    if (result != 0 || !sync_names(directory, err)) {
        state_close(state);
        return err_during(err, "open the store's checkpoint");
    }
    *out = state;
    return true;
}

void state_close(struct state *state)
{
    if (!state)
        return;
    state_abandon(state);
    if (state->env)
        mdb_env_close(state->env);
    buf_fini(&state->owner);
    free(state);
}

/* ---- reading ---- */

static bool read_head(MDB_val value, struct ledger_point *point, struct buf *owner, struct err *err)
{
    struct unpack in = unpack_of(bytes_of_val(&value));
    uint32_t version = unpack_u32(&in);

    point->position.epoch = unpack_u64(&in);
    point->position.offset = unpack_u64(&in);
    point->hash = unpack_u64(&in);
    if (in.bad || version != STATE_VERSION || point->position.offset == 0)
        return err_set(err, ERR_SYSTEM, "the checkpoint is not one that this version can read");
    buf_add(owner, in.left);
    return !owner->full || err_set(err, ERR_LIMIT, "no memory to read the checkpoint");
}

static void reader_free(struct state_reader *reader)
{
    if (reader->cursor)
        mdb_cursor_close(reader->cursor);
    if (reader->txn)
        mdb_txn_abort(reader->txn);
    buf_fini(&reader->owner);
    free(reader);
}

void state_read_end(struct state_reader *reader)
{
    if (reader)
        reader_free(reader);
}

static bool begin_reader(struct state *state, struct state_reader *reader,
                         struct ledger_point *point, struct err *err)
{
    uint8_t storage[1];
    MDB_val key = head_key(storage), value;
    int result = mdb_txn_begin(state->env, NULL, MDB_RDONLY, &reader->txn);

    *point = (struct ledger_point){0};
    if (result == 0)
        result = mdb_cursor_open(reader->txn, state->rows, &reader->cursor);
    if (result == 0)
        result = mdb_cursor_get(reader->cursor, &key, &value, MDB_SET);
    if (result == MDB_NOTFOUND)
        return true;
    return result == 0 ? read_head(value, point, &reader->owner, err)
                       : failed(err, result, "read the checkpoint");
}

bool state_read(struct state *state, struct state_reader **out, struct ledger_point *point,
                uint64_t *bytes, struct err *err)
{
    struct state_reader *reader = calloc(1, sizeof *reader);
    MDB_stat stat;

    must(reader);
    buf_init(&reader->owner, UINT32_MAX);
    if (!begin_reader(state, reader, point, err)) {
        reader_free(reader);
        return false;
    }
    *bytes = 0;
    if (mdb_stat(reader->txn, state->rows, &stat) == 0)
        *bytes = (uint64_t)stat.ms_psize * (stat.ms_leaf_pages + stat.ms_overflow_pages);
    *out = reader;
    return true;
}

/* The next key. False at the end, and with `err->kind` not ERR_NONE after a failure. */
static bool next_row(struct state_reader *reader, struct row *row, struct err *err)
{
    MDB_val key, value;
    int result = mdb_cursor_get(reader->cursor, &key, &value, MDB_NEXT);
    struct unpack in;

    err->kind = ERR_NONE;
    if (result == MDB_NOTFOUND)
        return false;
    if (result != 0)
        return failed(err, result, "read the checkpoint");
    row->kind = ROW_PUT;
    row->name = bytes_skip(bytes_of_val(&key), 1);
    row->value = bytes_of_val(&value);
    if (*(const uint8_t *)key.mv_data == KEY_PLAIN)
        return true;
    in = unpack_of(row->value);
    row->name = unpack_bytes16(&in);
    row->value = in.left;
    return !in.bad || err_set(err, ERR_SYSTEM, "the checkpoint holds a name that is none");
}

bool state_read_rows(struct state_reader *reader, struct buf *out, size_t bytes, bool *ended,
                     struct err *err)
{
    struct row row = {.kind = ROW_OWNER, .value = buf_bytes(&reader->owner)};

    *ended = false;
    if (!reader->begun)
        row_put(out, &row);
    reader->begun = true;
    while (out->len < bytes) {
        if (!next_row(reader, &row, err)) {
            *ended = true;
            return err->kind == ERR_NONE;
        }
        row_put(out, &row);
        if (out->full)
            return err_set(err, ERR_LIMIT, "no memory for a value of %zu bytes", row.value.len);
    }
    return true;
}

static bool load_rows(struct state_reader *reader, struct space *space, struct err *err)
{
    struct row row;

    while (next_row(reader, &row, err))
        if (!value_read(space, row.name, row.value))
            return err_set(err, ERR_SYSTEM, "the checkpoint holds a value that is none");
    return err->kind == ERR_NONE;
}

bool state_load(struct state *state, struct space *space, struct ledger_point *point,
                struct buf *owner, struct err *err)
{
    struct state_reader *reader;
    struct bytes name, value;
    uint64_t bytes;
    bool ok;

    if (!state_read(state, &reader, point, &bytes, err))
        return false;
    ok = point->position.offset == 0 || load_rows(reader, space, err);
    buf_add(owner, buf_bytes(&reader->owner));
    state_read_end(reader);
    space_cut_begin(space, point->position.offset);
    must(space_cut_next(space, &name, &value) == SPACE_CUT_END);
    return ok;
}

/* ---- writing ---- */

void state_abandon(struct state *state)
{
    if (state->txn)
        mdb_txn_abort(state->txn);
    state->txn = NULL;
    state->broken = false;
    buf_clear(&state->owner);
}

/* LMDB says EIO of a write that was cut short, which is how most of a full disk shows. */
static bool is_full(const struct state *state)
{
    struct statvfs found;
    const char *path;

    return mdb_env_get_path(state->env, &path) == 0 && statvfs(path, &found) == 0 &&
           (uint64_t)found.f_bavail * found.f_frsize < FULL_BYTES;
}

static bool break_off(struct state *state, int result, struct err *err)
{
    if (result == EIO && is_full(state))
        result = ENOSPC;
    failed(&state->err, result, "write the checkpoint");
    state_abandon(state);
    state->broken = true;
    *err = state->err;
    return false;
}

static int put(struct state *state, const struct row *row)
{
    uint8_t storage[KEY_BYTES];
    MDB_val key = key_of(row->name, storage), value = val_of(row->value);
    struct buf out;
    int result;

    if (storage[0] == KEY_PLAIN)
        return mdb_put(state->txn, state->rows, &key, &value, 0);
    value.mv_size += row->name.len + 2;
    result = mdb_put(state->txn, state->rows, &key, &value, MDB_RESERVE);
    if (result != 0)
        return result;
    buf_over(&out, value.mv_data, value.mv_size);
    pack_bytes16(&out, row->name);
    buf_add(&out, row->value);
    must(!out.full);
    return 0;
}

static int apply_one(struct state *state, const struct row *row)
{
    uint8_t storage[KEY_BYTES];
    MDB_val key;
    int result;

    switch ((enum row_kind)row->kind) {
    case ROW_CLEAR:
        return mdb_drop(state->txn, state->rows, 0);
    case ROW_DELETE:
        key = key_of(row->name, storage);
        result = mdb_del(state->txn, state->rows, &key, NULL);
        return result == MDB_NOTFOUND ? 0 : result;
    case ROW_PUT:
        return put(state, row);
    case ROW_OWNER:
        buf_clear(&state->owner);
        buf_add(&state->owner, row->value);
        return state->owner.full ? ENOMEM : 0;
    }
    never("a row of no kind");
}

bool state_apply(struct state *state, struct bytes rows, struct err *err)
{
    struct row row;
    int result = 0;

    if (state->broken) {
        *err = state->err;
        return false;
    }
    if (!state->txn)
        result = mdb_txn_begin(state->env, NULL, 0, &state->txn);
    while (result == 0 && rows.len > 0) {
        must(row_take(&rows, &row) == ROW_WHOLE);
        result = apply_one(state, &row);
    }
    return result == 0 || break_off(state, result, err);
}

bool state_commit(struct state *state, struct ledger_point point, struct err *err)
{
    uint8_t storage[1];
    MDB_val key = head_key(storage), value = {.mv_size = HEAD_BYTES + state->owner.len};
    struct buf out;
    int result;

    if (!state_apply(state, BYTES(""), err))
        return false;
    result = mdb_put(state->txn, state->rows, &key, &value, MDB_RESERVE);
    if (result != 0)
        return break_off(state, result, err);
    buf_over(&out, value.mv_data, value.mv_size);
    pack_u32(&out, STATE_VERSION);
    pack_u64(&out, point.position.epoch);
    pack_u64(&out, point.position.offset);
    pack_u64(&out, point.hash);
    buf_add(&out, buf_bytes(&state->owner));
    must(!out.full);
    result = mdb_txn_commit(state->txn);
    state->txn = NULL;
    if (result != 0)
        return break_off(state, result, err);
    buf_clear(&state->owner);
    return true;
}

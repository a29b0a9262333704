/*
 * Creates and maps the scoreboard. Knows its size and its magic, and nothing of what the records mean.
 */
#include "process/scoreboard.h"

#include "base/own.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { BOARD_TRIES = 1000 };

/* "nines" and the layout's version: a process of another version does not map this one. */
#define SCOREBOARD_MAGIC UINT64_C(0x6e696e6573000002)

_Static_assert(offsetof(struct scoreboard, magic) == 0, "magic comes first");
_Static_assert(sizeof(struct verdict_record) % 8 == 0, "records keep their alignment");
_Static_assert(sizeof(struct backend_counters) % 8 == 0, "records keep their alignment");
_Static_assert(sizeof(struct service_counters) % 8 == 0, "records keep their alignment");
_Static_assert(sizeof(struct cluster_board) == 32552, "the layout is fixed");
_Static_assert(sizeof(struct cluster_record) % 8 == 0, "records keep their alignment");
_Static_assert(sizeof(struct lease_record) == 160, "the layout is fixed");
_Static_assert(sizeof(counter) == 8 && ATOMIC_LLONG_LOCK_FREE == 2, "counters need no lock");

static struct scoreboard *map(int fd)
{
    return mmap(NULL, sizeof(struct scoreboard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                fd, 0);
}

bool scoreboard_create(int *fd, struct err *err)
{
    autoclose int memory = memfd_create("nines-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct scoreboard *board;

    if (memory < 0)
        return err_system(err, "create the scoreboard");
    if (ftruncate(memory, sizeof(struct scoreboard)) < 0 ||
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_system(err, "size the scoreboard to %zu bytes", sizeof(struct scoreboard));
    board = map(memory);
    if (board == MAP_FAILED)
        return err_system(err, "map the scoreboard");
    board->magic = SCOREBOARD_MAGIC;
    board->size = sizeof(struct scoreboard);
    scoreboard_unmap(board);
    *fd = take_fd(&memory);
    return true;
}

bool scoreboard_map(int fd, struct scoreboard **board, struct err *err)
{
    struct stat stat;
    struct scoreboard *mapped;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || fstat(fd, &stat) < 0)
        return err_system(err, "look at the scoreboard");
    if (!(seals & F_SEAL_SHRINK) || stat.st_size != sizeof(struct scoreboard))
        return err_set(err, ERR_PEER, "the scoreboard has %lld bytes where %zu were expected",
                       (long long)stat.st_size, sizeof(struct scoreboard));
    mapped = map(fd);
    if (mapped == MAP_FAILED)
        return err_system(err, "map the scoreboard");
    if (mapped->magic != SCOREBOARD_MAGIC || mapped->size != sizeof(struct scoreboard)) {
        scoreboard_unmap(mapped);
        return err_set(err, ERR_PEER, "the scoreboard is of another version");
    }
    *board = mapped;
    return true;
}

void scoreboard_unmap(struct scoreboard *board)
{
    if (board)
        munmap(board, sizeof *board);
}

/* Words, since other processes read them meanwhile: each word is whole, and the guard tells whether all belong together. */
static void copy_in(void *to, const void *from, size_t size)
{
    uint64_t word;

    for (size_t at = 0; at < size; at += sizeof word) {
        memcpy(&word, (const char *)from + at, sizeof word);
        atomic_store_explicit((counter *)(void *)((char *)to + at), word, memory_order_relaxed);
    }
}

static void copy_out(void *to, const void *from, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = atomic_load_explicit(
            (const counter *)(const void *)((const char *)from + at), memory_order_relaxed);

        memcpy((char *)to + at, &word, sizeof word);
    }
}

void board_publish(counter *guard, void *to, const void *from, size_t size)
{
    uint64_t writing = counted(guard) | 1;

    must(size % sizeof(uint64_t) == 0);
    atomic_store_explicit(guard, writing, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    copy_in(to, from, size);
    atomic_store_explicit(guard, writing + 1, memory_order_release);
}

bool board_read(const counter *guard, void *to, const void *from, size_t size)
{
    for (int i = 0; i < BOARD_TRIES; i++) {
        uint64_t before = atomic_load_explicit(guard, memory_order_acquire);

        if (before == 0)
            return false;
        if (before % 2 == 1)
            continue;
        copy_out(to, from, size);
        atomic_thread_fence(memory_order_acquire);
        if (counted(guard) == before)
            return true;
    }
    return false;
}

static void zero(counter *gauge)
{
    /* Records that were never written cost no memory, and stay so. */
    if (counted(gauge) != 0)
        atomic_store_explicit(gauge, 0, memory_order_relaxed);
}

void scoreboard_bury_worker(struct scoreboard *board, uint32_t worker)
{
    struct worker_record *record = &board->worker[worker];

    zero(&record->sessions);
    zero(&record->chunks_free);
    for (uint32_t i = 0; i < SERVICES_MAX; i++) {
        zero(&record->services[i].connections);
        zero(&record->services[i].active);
    }
    for (uint32_t i = 0; i < BACKENDS_MAX; i++) {
        zero(&record->backends[i].connections);
        zero(&record->backends[i].idle);
        zero(&record->backends[i].active);
    }
    for (uint32_t i = 0; i < GROUPS_MAX; i++)
        zero(&record->groups[i].waiting);
}

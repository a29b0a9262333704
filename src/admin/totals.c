#include "admin/totals.h"

#include "base/must.h"

static uint64_t at(const void *record, size_t offset)
{
    return counted((const counter *)((const char *)record + offset));
}

uint32_t total_workers(const struct scoreboard *board)
{
    uint64_t workers = counted(&board->workers);

    return workers < WORKERS_MAX ? (uint32_t)workers : WORKERS_MAX;
}

uint64_t total_service(const struct scoreboard *board, uint32_t slot, size_t offset)
{
    uint32_t workers = total_workers(board);
    uint64_t total = 0;

    must(slot < SERVICES_MAX);
    must(offset < sizeof(struct service_counters));
    for (uint32_t w = 0; w < workers; w++)
        total += at(&board->worker[w].services[slot], offset);
    return total;
}

uint64_t total_backend(const struct scoreboard *board, uint32_t slot, size_t offset)
{
    uint32_t workers = total_workers(board);
    uint64_t total = 0;

    must(slot < BACKENDS_MAX);
    must(offset < sizeof(struct backend_counters));
    for (uint32_t w = 0; w < workers; w++)
        total += at(&board->worker[w].backends[slot], offset);
    return total;
}

void total_service_latency(const struct scoreboard *board, uint32_t slot, struct histogram *into)
{
    uint32_t workers = total_workers(board);

    must(slot < SERVICES_MAX);
    for (uint32_t w = 0; w < workers; w++)
        histogram_merge(into, &board->worker[w].services[slot].latency);
}

void total_backend_latency(const struct scoreboard *board, uint32_t slot, struct histogram *into)
{
    uint32_t workers = total_workers(board);

    must(slot < BACKENDS_MAX);
    for (uint32_t w = 0; w < workers; w++)
        histogram_merge(into, &board->worker[w].backends[slot].latency);
}

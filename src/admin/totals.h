/*
 * Sums over the workers of what each of them counts. `offset` is of a counter (or a histogram) in struct service_counters
 * or struct backend_counters. Records of workers that were never configured are not touched: reading them would cost memory.
 */
#pragma once

#include "process/scoreboard.h"

uint32_t total_workers(const struct scoreboard *board);
uint64_t total_service(const struct scoreboard *board, uint32_t slot, size_t offset);
uint64_t total_backend(const struct scoreboard *board, uint32_t slot, size_t offset);
/* Adds to `into`. */
void total_service_latency(const struct scoreboard *board, uint32_t slot, struct histogram *into);
void total_backend_latency(const struct scoreboard *board, uint32_t slot, struct histogram *into);

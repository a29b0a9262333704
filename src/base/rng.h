/*
 * Numbers that look random and follow from a seed: the same seed, the same story. xoshiro256** seeded by splitmix64.
 *
 * For jitter, spreading and simulation. Never for secrets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state[4]; /* never all zero: begin with rng_seed */
};

void rng_seed(struct rng *rng, uint64_t seed); /* any seed, zero too */
uint64_t rng_next(struct rng *rng);
/* From 0 to bound - 1, each as likely; bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* From low to high, both included; low <= high. */
int64_t rng_between(struct rng *rng, int64_t low, int64_t high);
/* From 0 to just under 1. */
double rng_unit(struct rng *rng);
/* True with this probability (0: never, 1: always). */
bool rng_chance(struct rng *rng, double probability);

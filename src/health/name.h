/*
 * health/name: which of a name's addresses is used, and when to ask for them again. Pure.
 */
#pragma once

#include "base/address.h"
#include "base/rng.h"

enum { NAME_AGAIN_MIN_S = 5, NAME_AGAIN_MAX_S = 3600 };

/* The address in use stays while it is one of the answers, so that a server which gives them in turn does not move traffic; else the first.
 * `count` is at least 1; the port is that of the endpoint. */
struct address name_choose(const struct address *in_use, const struct address *answers,
                           uint32_t count, uint16_t port);
/* How long until the next question after an answer that is good for `ttl_s` (0: there was no answer): not sooner than the answer runs out,
 * and up to a tenth later, so that many names spread. */
int64_t name_again_ms(int64_t ttl_s, struct rng *rng);

/*
 * The third back end of net's loop: time, descriptors and waiting are the world's.
 */
#pragma once

#include "world.h"

/* Opens host->loop for a new process. */
void sim_loop_open(struct sim_host *host);
/* After the process's own teardown; turns until every stream has been told that it is closed. */
void sim_loop_close(struct sim_host *host);

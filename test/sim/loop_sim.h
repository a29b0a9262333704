/*
 * The third back end of net's loop: time, descriptors and waiting are the world's.
 */
#pragma once

#include "world.h"

/* Opens host->loop for a new process. */
void sim_loop_open(struct sim_host *host);
/* After the process's own teardown; turns until every stream has been told that it is closed. */
void sim_loop_close(struct sim_host *host);
/* Its disk is slow no more, and the job that runs ends as on one that never was. */
void sim_jobs_hurry(struct sim_host *host);

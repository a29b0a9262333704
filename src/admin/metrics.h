/*
 * The node's metrics as Prometheus text (version 0.0.4): one table of rows, one line per sample.
 */
#pragma once

#include "admin/scene.h"
#include "base/buf.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Whole or, when it does not fit, marked as full. */
void metrics_print(const struct admin_scene *scene, struct buf *out);

/*
 * What every fuzz target includes. A target says that something is wrong by aborting: `must` does.
 */
#pragma once

#include "base/bytes.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

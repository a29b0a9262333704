/*
 * document: what docs/commands.md prints of the table of commands.
 */
#pragma once

#include "base/buf.h"

void command_document(struct buf *out);

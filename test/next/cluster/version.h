/*
 * What src/cluster/version.h would say in the next minor: one level more, and a protocol of its own beside the one before. It comes first in the include path
 * of nines-next and is in no other program.
 */
#pragma once

enum {
    COMMAND_LEVEL = 2,
    DRIVE_VERSION_LOW = 1,
    DRIVE_VERSION = 2,
};

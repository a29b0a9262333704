#include "store/commands.h"

const struct command commands_hash[] = {
    {0},
};

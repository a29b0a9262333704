#include "store/commands.h"

const struct command commands_set[] = {
    {0},
};

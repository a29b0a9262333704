#include "store/commands.h"

const struct command commands_sorted[] = {
    {0},
};

#include "store/commands.h"

const struct command commands_list[] = {
    {0},
};

#include "store/commands.h"

const struct command commands_session[] = {
    {0},
};

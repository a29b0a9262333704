/*
 * nines: the one binary. Words become a command or a role; nothing else happens here.
 */
#include <stdio.h>

int main(void)
{
    puts("nines " NINES_VERSION);
    return 0;
}

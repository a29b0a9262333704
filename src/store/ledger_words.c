#include "store/ledger.h"

static const char *const refusals[LEDGER_REFUSALS] = {
    [LEDGER_TAKEN] = "taken",       [LEDGER_NOT_PRIMARY] = "not primary",
    [LEDGER_NO_LEASE] = "no lease", [LEDGER_HANDING_OVER] = "handing over",
    [LEDGER_FULL] = "full",         [LEDGER_DISK_FULL] = "disk full",
    [LEDGER_TOO_LONG] = "too long",
};

const char *ledger_refusal_name(enum ledger_refusal refusal)
{
    must(refusal < LEDGER_REFUSALS);
    return refusals[refusal];
}

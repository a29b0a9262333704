/*
 * Brings the parts of a member's store together.
 */
#include "store/store.h"

#include "net/net.h"

bool store_service_open(struct store_service **store, const struct store_options *options, struct err *err)
{
    *store = NULL;
    return err_set(err, ERR_LIMIT, "the store of group '%s' cannot be opened yet", options->group);
}

void store_service_take_orders(struct store_service *store, int fd)
{
    (void)store;
    (void)fd;
}

void store_service_close(struct store_service *store)
{
    (void)store;
}

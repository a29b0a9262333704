/*
 * balancer/route: which pool answers a request. Pure; reads the generation's image as it is, so a reload compiles nothing.
 */
#pragma once

#include "balancer/balancer.h"
#include "wire/http1.h"

/* Paths match as they were sent: neither percent-encoding nor dot segments are resolved. */
struct route_request {
    struct bytes host; /* may have a port */
    struct bytes path;
    struct bytes method;
    struct bytes head; /* which the fields point into */
    const struct http1_field *fields;
    uint32_t field_count;
};

#define ROUTE_NONE UINT32_MAX

/* Index of the pool: the first route's whose conditions all hold, else the service's own; ROUTE_NONE when it has none. */
uint32_t route_find(struct image image, const struct balancer_service *service,
                    const struct route_request *request);

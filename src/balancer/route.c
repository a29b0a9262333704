/*
 * Finds the pool for a request: the first route that matches wins. It never changes the request and never looks beyond its head.
 */
#include "balancer/route.h"

static struct bytes without_port(struct bytes host)
{
    size_t colon = bytes_find(host, ':');

    if (host.len > 0 && host.at[0] == '[') {
        size_t bracket = bytes_find(host, ']');

        return bytes_take(host, bracket + 1);
    }
    return bytes_take(host, colon);
}

static bool host_matches(struct bytes pattern, struct bytes host)
{
    host = without_port(host);
    if (host.len > 0 && host.at[host.len - 1] == '.')
        host.len--;
    if (!bytes_starts_with(pattern, BYTES("*.")))
        return bytes_equal_nocase(pattern, host);
    pattern = bytes_skip(pattern, 1);
    return host.len > pattern.len &&
           bytes_equal_nocase(pattern, bytes_skip(host, host.len - pattern.len));
}

/* Whole segments: after the prefix comes the end or a slash. */
static bool path_matches(struct bytes prefix, struct bytes path)
{
    if (prefix.len > 0 && prefix.at[prefix.len - 1] == '/')
        prefix.len--;
    return bytes_starts_with(path, prefix) &&
           (path.len == prefix.len || path.at[prefix.len] == '/');
}

static bool method_matches(struct image image, struct ref methods, struct bytes method)
{
    const struct balancer_text *wanted = image_items(image, methods, sizeof *wanted);

    for (uint32_t i = 0; i < methods.count; i++) {
        if (bytes_equal(image_text(image, wanted[i].text), method))
            return true;
    }
    return methods.count == 0;
}

static bool has_header(const struct route_request *request, struct bytes name, struct bytes value)
{
    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];

        if (bytes_equal_nocase(http1_bytes(request->head, field->name), name) &&
            (value.len == 0 || bytes_equal(http1_bytes(request->head, field->value), value)))
            return true;
    }
    return false;
}

static bool headers_match(struct image image, struct ref headers,
                          const struct route_request *request)
{
    const struct balancer_header_match *wanted = image_items(image, headers, sizeof *wanted);

    for (uint32_t i = 0; i < headers.count; i++) {
        if (!has_header(request, image_text(image, wanted[i].item.name),
                        image_text(image, wanted[i].value)))
            return false;
    }
    return true;
}

static bool matches(struct image image, const struct balancer_route *route,
                    const struct route_request *request)
{
    if (route->path.count && !path_matches(image_text(image, route->path), request->path))
        return false;
    if (route->host.count && !host_matches(image_text(image, route->host), request->host))
        return false;
    return method_matches(image, route->methods, request->method) &&
           headers_match(image, route->headers, request);
}

uint32_t route_find(struct image image, const struct balancer_service *service,
                    const struct route_request *request)
{
    const struct balancer_route *routes = image_items(image, service->routes, sizeof *routes);

    for (uint32_t i = 0; i < service->routes.count; i++) {
        if (matches(image, &routes[i], request))
            return routes[i].pool_index;
    }
    return service->pool_index;
}

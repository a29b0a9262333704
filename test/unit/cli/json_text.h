/*
 * What an agent would answer, as tests of pages write it.
 */
#pragma once

#include "unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* JSON with single quotes, for reading. */
static inline json_t *parse(const char *text)
{
    char *copy = strdup(text);
    json_error_t error;
    json_t *json;

    assert_non_null(copy);
    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    json = json_loads(copy, 0, &error);
    if (!json)
        fail_msg("%s", error.text);
    free(copy);
    return json;
}

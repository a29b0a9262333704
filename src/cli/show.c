/*
 * What status and top have in common: reading the answer, the headline, and the words for a backend.
 */
#include "cli/show.h"

#include <string.h>

const char *show_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

int64_t show_integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

double show_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

bool show_truth(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

double show_latency(const json_t *object, const char *quantile)
{
    return show_number(json_object_get(object, "latency"), quantile);
}

/* Is it serving, and does it survive one more failure? */
void show_headline(struct canvas *canvas, json_t *status)
{
    const json_t *summary = json_object_get(status, "summary");
    const char *serving = show_string(summary, "serving"), *why = show_string(summary, "why");
    bool survives = show_truth(summary, "survives_one_failure");

    canvas_text(canvas, PLAIN, "serving: ");
    canvas_text(canvas, strcmp(serving, "yes") == 0 ? GOOD : BAD, serving);
    canvas_text(canvas, PLAIN, "; survives one more failure: ");
    canvas_text(canvas,
                survives                      ? GOOD
                : strcmp(serving, "yes") == 0 ? WARN
                                              : BAD,
                survives ? "yes" : "no");
    if (why[0])
        canvas_print(canvas, PLAIN, " (%s)", why);
    canvas_end(canvas);
}

void show_node(struct canvas *canvas, json_t *status)
{
    int64_t refused = show_integer(status, "reloads_refused");
    char age[CANVAS_FIGURE_MAX];

    canvas_print(canvas, PLAIN, "node %s of %s, nines %s, up %s, generation %lld",
                 show_string(status, "node"), show_string(status, "cluster"),
                 show_string(status, "version"), canvas_age(show_integer(status, "uptime_ms"), age),
                 (long long)show_integer(status, "generation"));
    if (refused)
        canvas_print(canvas, WARN, " (%lld refused)", (long long)refused);
    canvas_end(canvas);
}

const char *show_state(const json_t *backend)
{
    const char *state = show_string(backend, "state");

    if (strcmp(state, "down") == 0)
        return "down";
    if (json_is_string(json_object_get(backend, "drained_by")))
        return "draining";
    if (show_integer(backend, "weight") == 0)
        return "no weight";
    return state;
}

enum style show_state_style(const json_t *backend)
{
    if (strcmp(show_string(backend, "state"), "down") == 0)
        return BAD;
    if (!show_truth(backend, "takes_traffic"))
        return WARN;
    return strcmp(show_string(backend, "state"), "up") == 0 ? GOOD : PLAIN;
}

#include "topology/engine.h"

#include "base/must.h"

const char *engine_verb_name(enum engine_verb verb)
{
    static const char *const names[ENGINE_VERBS] = {"status", "promise", "promote", "demote",
                                                    "follow", "rewind",  "copy"};

    must(verb < ENGINE_VERBS);
    return names[verb];
}

const char *engine_outcome_name(enum engine_outcome outcome)
{
    static const char *const names[ENGINE_OUTCOMES] = {"done", "refused", "diverged", "behind",
                                                       "broken"};

    must(outcome < ENGINE_OUTCOMES);
    return names[outcome];
}

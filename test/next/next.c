/*
 * Makes nines-next of nines: a program that writes what nines does not know, as the next minor will.
 *
 * Its beats and commands end with a field of which nines has no row, so that nines skips it wherever it reads, keeps and hashes them. The linker
 * puts these functions in place of the two encoders (--wrap); how high its level is stands in cluster/version.h beside this file.
 */
#include "cluster/beat.h"
#include "cluster/command.h"
#include "cluster/fields.h"

enum { FIELD_OF_NEXT = 250 };

void __real_beat_encode(struct buf *out, const struct beat *beat);
void __wrap_beat_encode(struct buf *out, const struct beat *beat);
void __real_command_encode(struct buf *out, const struct document_command *command);
void __wrap_command_encode(struct buf *out, const struct document_command *command);

static void add_field(struct buf *out)
{
    size_t opened = fields_open(out, FIELD_OF_NEXT);

    buf_add_string(out, "what only the next version knows");
    pack_close(out, opened);
}

void __wrap_beat_encode(struct buf *out, const struct beat *beat)
{
    __real_beat_encode(out, beat);
    add_field(out);
}

void __wrap_command_encode(struct buf *out, const struct document_command *command)
{
    __real_command_encode(out, command);
    add_field(out);
}

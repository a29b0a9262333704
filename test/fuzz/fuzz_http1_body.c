/*
 * A chunked body gives the same content and the same end whole, byte by byte, and in pieces whose lengths are the input's own
 * bytes. What was content, chunked again by the writer, is the same content.
 */
#include "fuzz.h"
#include "http1_story.h"

static void same_in_pieces(const struct http1_head *head, struct bytes bytes,
                           const struct buf *whole, size_t taken, struct bytes cuts)
{
    struct buf story;

    buf_init(&story, STORY_MAX);
    must(tell_body(&story, head, bytes, cuts) == taken);
    must(bytes_equal(buf_bytes(whole), buf_bytes(&story)));
    buf_fini(&story);
}

/* `story` is content and a full stop. */
static void chunked_again(const struct http1_head *head, struct bytes story, size_t piece_max)
{
    struct bytes rest = bytes_take(story, story.len - 1);
    struct buf out, again;

    buf_init(&out, STORY_MAX);
    buf_init(&again, STORY_MAX);
    while (rest.len > 0) {
        struct bytes piece = bytes_take(rest, piece_max);

        http1_write_chunk_head(&out, piece.len);
        buf_add(&out, piece);
        buf_add(&out, HTTP1_CHUNK_TAIL);
        rest = bytes_skip(rest, piece.len);
    }
    buf_add(&out, HTTP1_LAST_CHUNK);
    must(!out.full);
    must(tell_body(&again, head, buf_bytes(&out), (struct bytes){0}) == out.len);
    must(bytes_equal(buf_bytes(&again), story));
    buf_fini(&out);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_head head = {.framing = FRAMING_CHUNKED};
    struct bytes bytes = bytes_of(data, size);
    const uint8_t one = 1;
    struct buf whole;
    size_t taken;

    buf_init(&whole, STORY_MAX);
    taken = tell_body(&whole, &head, bytes, (struct bytes){0});
    must(!whole.full && taken <= size);
    same_in_pieces(&head, bytes, &whole, taken, bytes_of(&one, 1));
    same_in_pieces(&head, bytes, &whole, taken, bytes);
    if (whole.at[whole.len - 1] == '.')
        chunked_again(&head, buf_bytes(&whole), 1 + size % 17);
    buf_fini(&whole);
    return 0;
}

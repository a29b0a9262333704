/*
 * A hello that is understood is written the same, its names are words for a terminal, and two hellos always come to a version or a sentence.
 */
#include "fuzz.h"

#include "base/own.h"
#include "peer/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hello ours = {.low = 2, .high = 3, .cluster = "shop", .node = "b", .to = "a"};
    autofree uint8_t *exact = malloc(size ? size : 1);
    char sentence[PEER_SENTENCE_MAX];
    uint8_t text[HELLO_BYTES_MAX];
    const char *why = NULL;
    struct hello hello;
    struct buf out;
    uint16_t version;

    must(exact);
    if (size)
        memcpy(exact, data, size);
    if (!hello_read(bytes_of(exact, size), &hello, &why)) {
        must(why);
        return 0;
    }
    buf_over(&out, text, sizeof text);
    hello_write(&out, &hello);
    must(!out.full);
    must(bytes_equal(buf_bytes(&out), bytes_of(data, size)));
    version = hello_agree(&ours, &hello, hello.flags % 2 ? hello.node : "", sentence);
    must((version == 0) == (sentence[0] != '\0'));
    must(strlen(sentence) < PEER_SENTENCE_MAX);
    must(version == 0 || (version >= ours.low && version <= ours.high));
    for (const char *at = sentence; *at; at++)
        must((unsigned char)*at >= ' ');
    return 0;
}

/*
 * Any bytes are read without harm, and what is said about them is clean text. What is good is shown as YAML that reads back
 * to the same image, byte for byte, but for the places in the file.
 */
#include "fuzz.h"
#include "shop.h"

#include "base/utf8.h"

/*
 * libfyaml 0.7.12 forgets a buffer of its own when a long text in quotes turns out wrong. That ends with the process that reads the
 * file; leaks of our own, without the library on their stack, still count.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

struct reading {
    struct findings *findings;
    struct buf image;
    bool good;
};

static void read_shop(struct reading *reading, struct bytes text)
{
    reading->findings = findings_new("shop.yaml", text);
    reading->good = schema_read(shop_rows, sizeof(struct shop), reading->findings, &reading->image);
    must(reading->good == (findings_count(reading->findings) == 0));
}

static void end_reading(struct reading *reading)
{
    buf_fini(&reading->image);
    findings_free(reading->findings);
}

static void assert_clean(struct bytes text)
{
    while (text.len) {
        uint32_t character = 0;
        unsigned len = utf8_step(text, &character);

        must(len > 0);
        must(character == '\n' || utf8_visible(character));
        text = bytes_skip(text, len);
    }
}

/* Every struct item begins with a name and a place. */
static void forget_places(struct buf *image, struct ref items, size_t size)
{
    struct item item;

    for (uint32_t i = 0; i < items.count; i++) {
        memcpy(&item, image->at + items.at + i * size, sizeof item);
        item.line = item.column = 0;
        memcpy(image->at + items.at + i * size, &item, sizeof item);
    }
}

static void forget_all_places(struct buf *image)
{
    struct image in = {image->at, image->len};
    struct shop shop;

    forget_places(image, (struct ref){0, 1}, sizeof shop);
    memcpy(&shop, image->at, sizeof shop);
    forget_places(image, shop.services, sizeof(struct shop_service));
    forget_places(image, shop.pools, sizeof(struct shop_pool));
    for (uint32_t i = 0; i < shop.services.count; i++) {
        const struct shop_service *services = image_items(in, shop.services, sizeof *services);

        forget_places(image, services[i].listen, sizeof(struct shop_word));
        forget_places(image, services[i].headers, sizeof(struct shop_word));
    }
    for (uint32_t i = 0; i < shop.pools.count; i++) {
        const struct shop_pool *pools = image_items(in, shop.pools, sizeof *pools);

        forget_places(image, pools[i].backends, sizeof(struct shop_backend));
        forget_places(image, pools[i].on, sizeof(struct shop_condition));
    }
}

static void shows_and_reads_back(struct reading *first, bool defaults)
{
    struct reading second;
    struct buf shown;

    buf_init(&shown, SCHEMA_FILE_MAX);
    schema_show(shop_rows, (struct image){first->image.at, first->image.len}, defaults, &shown);
    if (!shown.full) {
        read_shop(&second, buf_bytes(&shown));
        must(second.good);
        forget_all_places(&first->image);
        forget_all_places(&second.image);
        must(bytes_equal(buf_bytes(&first->image), buf_bytes(&second.image)));
        end_reading(&second);
    }
    buf_fini(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading reading;
    struct buf printed;

    read_shop(&reading, bytes_of(data, size));
    buf_init(&printed, 1 << 22);
    findings_print(reading.findings, &printed, false);
    must((printed.len > 0) == !reading.good);
    assert_clean(buf_bytes(&printed));
    if (reading.good) {
        shows_and_reads_back(&reading, false);
        shows_and_reads_back(&reading, true);
    }
    buf_fini(&printed);
    end_reading(&reading);
    return 0;
}

/*
 * Follows references in an image. The image was made and checked here, so a wrong reference is a bug.
 */
#include "schema/schema.h"

struct bytes image_text(struct image image, struct ref ref)
{
    if (ref.at == 0)
        return (struct bytes){0};
    must(ref.at < image.len);
    must(ref.count < image.len - ref.at);
    must(image.at[ref.at + ref.count] == '\0');
    return bytes_of(image.at + ref.at, ref.count);
}

const char *image_string(struct image image, struct ref ref)
{
    return ref.at ? (const char *)image_text(image, ref).at : "";
}

const void *image_items(struct image image, struct ref ref, size_t item_size)
{
    must(item_size > 0);
    must(ref.at <= image.len);
    must(ref.count <= (image.len - ref.at) / item_size);
    return image.at + ref.at;
}

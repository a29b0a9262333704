/*
 * cluster/version: what this program writes and understands, in the document and between nodes (docs/cluster.md, Versions).
 *
 * A header of its own, because it is all in which one minor version differs from the next to those that run the other: tests build a second
 * program, nines-next, with another one in its place (test/next).
 */
#pragma once

enum {
    COMMAND_LEVEL = 1, /* of the document: the newest that this version writes and understands */
    DRIVE_VERSION_LOW = 1, /* of the peer protocol: the oldest that it still speaks … */
    DRIVE_VERSION = 1,     /* … and its own */
};

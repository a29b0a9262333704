/*
 * What the files of the document share. A rule looks and says; a change is made only after its rule has said DOCUMENT_APPLIED.
 */
#pragma once

#include "cluster/document.h"

#define GROUP_LEASE "group/"

enum document_outcome document_rule(const struct document *document,
                                    const struct document_command *command,
                                    struct document_reply *reply);
/* Fills in version and epoch of the reply. */
void document_change(struct document *document, const struct document_command *command,
                     struct document_reply *reply);

/* A group's name with GROUP_LEASE before it, into CLUSTER_RESOURCE_MAX bytes. Returns them. */
char *document_lease_name(const char *group, char *name);
struct member *document_find_member(struct document *document, uint32_t id);
/* The lease of that name, or a free slot for the empty name; CLUSTER_LEASES_MAX: there is none. */
uint32_t document_find_lease(const struct document *document, const char *name);
void document_check(const struct document *document);

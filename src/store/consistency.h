/*
 * consistency: what a read returns at least (docs/store.md).
 */
#pragma once

enum store_consistency { STORE_STRONG, STORE_SESSION, STORE_BOUNDED, STORE_EVENTUAL };

const char *store_consistency_name(enum store_consistency consistency); /* `strong` */

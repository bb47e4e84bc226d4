/*
 * What an event is about in a few words, for evidence: the name that was asked for, the request, the
 * command that was started, the address that is listened on, the path of the file.
 */
#ifndef SENSE_RULES_TRAIT_H
#define SENSE_RULES_TRAIT_H

#include "core/rules/event.h"

/* Up to cap - 1 bytes and a NUL, as they came: not yet clean. The length; 0 when nothing is known. */
size_t sense_event_trait(const struct sense_event *event, char *out, size_t cap);

/* Text of a text or address field, likewise. */
size_t sense_event_text(const struct sense_event *event, enum sense_field field, char *out, size_t cap);

#endif

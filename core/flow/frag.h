/*
 * Reassembly of IP fragments (RFC 791, 3.2; RFC 8200, 4.5), bounded in datagrams, bytes and age.
 *
 * Overlapping IPv6 fragments drop the datagram (RFC 5722); overlapping IPv4 fragments keep the
 * bytes that came first. A full table drops its oldest datagram and counts it.
 */
#ifndef SENSE_FLOW_FRAG_H
#define SENSE_FLOW_FRAG_H

#include "core/flow/packet.h"

typedef struct sense_frag sense_frag;

struct sense_frag_stats {
	uint64_t fragments;
	uint64_t completed;
	uint64_t dropped; /* datagrams given up: overlap, bounds, age */
};

/* Room for max_datagrams at once, taken as they come; NULL when memory is short. */
sense_frag *sense_frag_new(unsigned max_datagrams);
void sense_frag_free(sense_frag *frag);
/*
 * Adds a fragment. True when its datagram is complete: *whole is then decoded from the reassembled
 * bytes, which live until the next call. Its wire_len is the sum of all its fragments' frames, its
 * time that of the last one.
 */
bool sense_frag_add(sense_frag *frag, const struct sense_decoded *fragment,
                    struct sense_decoded *whole);
const struct sense_frag_stats *sense_frag_stats(const sense_frag *frag);

#endif

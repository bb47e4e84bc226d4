/*
 * The ClientHello of a TLS connection over TCP, from segments in any order.
 *
 * Segments may be reordered, repeated, overlapping, one byte long, and the SYN or the whole other
 * direction may be missing. A hello in one segment is parsed in place and allocates nothing; any
 * other costs one bounded buffer that lives until the hello is complete or is given up.
 *
 * One object follows one direction. Where bytes overlap, those that came first are kept.
 */
#ifndef SENSE_NAMES_TLS_H
#define SENSE_NAMES_TLS_H

#include "core/names/hello.h"

enum sense_tls_result {
	SENSE_TLS_MORE,         /* nothing decided yet */
	SENSE_TLS_CLIENT_HELLO, /* *hello is filled: done */
	SENSE_TLS_SERVER_HELLO, /* hello->version holds the negotiated version: done */
	SENSE_TLS_RECORDS,      /* valid TLS records, but no hello that can be read: it went by before
	                           the capture, is malformed or longer than SENSE_HELLO_MAX */
	SENSE_TLS_NO            /* not TLS */
};

typedef struct sense_tls sense_tls;

/*
 * One segment with payload. *state is NULL at the start of a direction; the call allocates and
 * frees it as needed: on every result but SENSE_TLS_MORE it is NULL again.
 *
 * seq is the sequence number of data[0]. `start` is the sequence number of the first payload byte
 * of this direction if the SYN was seen (start_known); without it the segment seen first is taken
 * as the likely start, and earlier ones are still accepted. What holds at the first call counts.
 *
 * Bounded: less than 32 kB are held, and after 64 kB of segments (16 kB when nothing looked like TLS)
 * the direction is given up, with SENSE_TLS_RECORDS or SENSE_TLS_NO by what was seen.
 */
enum sense_tls_result sense_tls_segment(sense_tls **state, uint32_t seq, bool start_known,
                                        uint32_t start, const uint8_t *data, size_t len,
                                        struct sense_hello *hello);
void sense_tls_free(sense_tls *state);
/* Whether what is half read (NULL: nothing is) began like TLS, so that the rest is worth waiting for. */
bool sense_tls_begun(const sense_tls *state);

/*
 * Cheap test on the first bytes: a handshake record that begins with a ClientHello. For TLS that
 * begins in the middle of a connection (STARTTLS, behind a proxy's CONNECT): feed on from there with
 * a NULL state, start_known and start = seq.
 */
static inline bool sense_tls_looks_like_hello(const uint8_t *data, size_t len)
{
	return len >= 6 && data[0] == 22 && data[1] == 3 && data[2] <= 4 && data[5] == 1;
}

#endif

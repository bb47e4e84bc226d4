/*
 * hello.h - the short form of a TLS ClientHello.
 *
 * nDPI decides the protocol of a TLS flow by the server name alone, yet it spends nine tenths of
 * its time on a ClientHello in formatting the JA3 text of the other fields, which SENSE makes
 * itself. Given the short form it comes to the same answer.
 */
#ifndef SENSE_PLUGIN_NDPI_HELLO_H
#define SENSE_PLUGIN_NDPI_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#define HELLO_SHORT_MAX 640 /* longest output of hello_shorten */
#define HELLO_MAX 4096      /* longest input that is worth waiting for */

/*
 * Whether a TCP payload is the beginning of a ClientHello in one record, more of which must come in
 * other segments: usual since post-quantum key shares. False as well when it would be too long.
 */
bool hello_is_partial(const uint8_t *payload, unsigned len);

/*
 * Reads one TCP payload that is exactly one TLS record holding exactly one well-formed ClientHello
 * (RFC 8446 4.1.2, RFC 5246 7.4.1.2) and writes an equivalent one to out with the server_name
 * extensions only. Returns its length, or 0 when the payload is anything else or too long: then
 * nDPI must see the original.
 */
unsigned hello_shorten(const uint8_t *payload, unsigned len, uint8_t out[HELLO_SHORT_MAX]);

/* Whether a TCP payload begins with a complete record with a ServerHello that selects TLS 1.3. */
bool hello_is_server_13(const uint8_t *payload, unsigned len);

#endif

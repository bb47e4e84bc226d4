/*
 * Certificates that are not valid any more although their time is not over: a set of serial numbers, kept up
 * to date by who knows (server/fleet), asked after each handshake and before each message. One thread.
 */
#ifndef SENSE_SERVER_NET_REVOKED_H
#define SENSE_SERVER_NET_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_SERIAL_MAX 20u /* bytes; RFC 5280, 4.1.2.2 */

typedef struct sense_revoked sense_revoked;

sense_revoked *sense_revoked_new(void); /* NULL: no memory */
void sense_revoked_free(sense_revoked *set);
/*
 * A serial number, big-endian; leading zeroes do not count. False: no memory, or longer than
 * SENSE_SERIAL_MAX; it is not in the set then.
 */
bool sense_revoked_add(sense_revoked *set, const uint8_t *serial, size_t len);
bool sense_revoked_has(const sense_revoked *set, const uint8_t *serial, size_t len); /* set may be NULL */
void sense_revoked_clear(sense_revoked *set);
size_t sense_revoked_count(const sense_revoked *set);

#endif

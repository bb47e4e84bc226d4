/*
 * Telling the service manager how the service fares: the datagrams of sd_notify(3) to $NOTIFY_SOCKET, and the
 * watchdog's interval of sd_watchdog_enabled(3).
 *
 * Without such a manager every call does nothing. The variables are taken once and removed, so that no child
 * speaks for the service. What is in them is not believed: an address that is neither an absolute path nor an
 * abstract name ('@'), or a number that is none, is as good as not set. A message is one datagram; a manager
 * that does not take it within SENSE_NOTIFY_WAIT_MS never holds the service up for longer.
 *
 * Owned by the caller, without resources: nothing is to be freed.
 */
#ifndef SENSE_SERVICE_NOTIFY_H
#define SENSE_SERVICE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#define SENSE_NOTIFY_ADDRESS_MAX 107 /* bytes of sun_path, without the NUL; unix(7) */
#define SENSE_NOTIFY_TEXT_MAX 256    /* bytes of a status; cut */
#define SENSE_NOTIFY_WAIT_MS 200

struct sense_notify {
	char address[SENSE_NOTIFY_ADDRESS_MAX + 1]; /* "": nobody wants to know */
	uint64_t watchdog_us;                       /* a sign of life is due within; 0: none is asked for */
};

/* From the environment of this process, which loses NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void sense_notify_init(struct sense_notify *notify);
/* How often to call sense_notify_alive: half of what is asked for, at least 10 ms. 0: never. */
uint64_t sense_notify_alive_every_us(const struct sense_notify *notify);

/* Each returns whether the manager has it. The text is what people read; control characters become spaces. */
bool sense_notify_ready(const struct sense_notify *notify, const char *text);
bool sense_notify_status(const struct sense_notify *notify, const char *text);
/* The configuration is being read anew; sense_notify_ready tells that it was. */
bool sense_notify_reloading(const struct sense_notify *notify);
bool sense_notify_stopping(const struct sense_notify *notify, const char *text);
bool sense_notify_alive(const struct sense_notify *notify);

#endif

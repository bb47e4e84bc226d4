#include "core/service/notify.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"

#define MESSAGE_MAX (SENSE_NOTIFY_TEXT_MAX + 128)
#define ALIVE_LEAST_US 10000

/* ---- what the manager wants ------------------------------------------------------------------------ */

/* False: not digits alone, 0, or more than fits. */
static bool number_take(const char *text, uint64_t *out)
{
	char *end;
	if (!text || !isdigit((unsigned char)*text))
		return false;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	*out = number;
	return !*end && !errno && number && number < UINT64_MAX;
}

/* UINT64_MAX is the manager's word for never. */
static uint64_t watchdog_take(void)
{
	uint64_t interval, pid;
	const char *for_whom = getenv("WATCHDOG_PID");
	if (!number_take(getenv("WATCHDOG_USEC"), &interval))
		return 0;
	if (for_whom && (!number_take(for_whom, &pid) || pid != (uint64_t)getpid()))
		return 0;
	return interval;
}

void sense_notify_init(struct sense_notify *notify)
{
	const char *address = getenv("NOTIFY_SOCKET");
	*notify = (struct sense_notify){.watchdog_us = watchdog_take()};
	if (address && (*address == '/' || *address == '@') && address[1] &&
	    strlen(address) <= SENSE_NOTIFY_ADDRESS_MAX)
		snprintf(notify->address, sizeof notify->address, "%s", address);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

uint64_t sense_notify_alive_every_us(const struct sense_notify *notify)
{
	if (!*notify->address || !notify->watchdog_us)
		return 0;
	return notify->watchdog_us / 2 > ALIVE_LEAST_US ? notify->watchdog_us / 2 : ALIVE_LEAST_US;
}

/* ---- messages -------------------------------------------------------------------------------------- */

/*
 * A socket for each message: there are few, and the manager may have bound its own anew. Connected, since
 * only then can be waited for room in the manager's queue.
 */
static bool send_message(const struct sense_notify *notify, const char *message, size_t len)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t size = strlen(notify->address);
	bool sent = false;
	if (!size)
		return false;
	memcpy(to.sun_path, notify->address, size);
	if (*notify->address == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	/* The length of an abstract name is its end: no NUL is part of it. */
	socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	if (!connect(fd, (struct sockaddr *)&to, to_len) && poll(&room, 1, SENSE_NOTIFY_WAIT_MS) > 0)
		sent = send(fd, message, len, MSG_NOSIGNAL) == (ssize_t)len;
	close(fd);
	return sent;
}

/* A newline in the text would begin a message of its own. */
static bool send_text(const struct sense_notify *notify, const char *head, const char *text)
{
	char message[MESSAGE_MAX];
	size_t len = (size_t)snprintf(message, sizeof message, "%sSTATUS=", head);
	size_t end = len + SENSE_NOTIFY_TEXT_MAX;
	for (; *text && len < end; text++)
		message[len++] = iscntrl((unsigned char)*text) ? ' ' : *text;
	return send_message(notify, message, len);
}

bool sense_notify_ready(const struct sense_notify *notify, const char *text)
{
	char head[64];
	snprintf(head, sizeof head, "READY=1\nMAINPID=%ld\n", (long)getpid());
	return send_text(notify, head, text);
}

bool sense_notify_status(const struct sense_notify *notify, const char *text)
{
	return send_text(notify, "", text);
}

bool sense_notify_reloading(const struct sense_notify *notify)
{
	char message[64];
	int len = snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%llu",
	                   (unsigned long long)sense_clock_monotonic_us());
	return send_message(notify, message, (size_t)len);
}

bool sense_notify_stopping(const struct sense_notify *notify, const char *text)
{
	return send_text(notify, "STOPPING=1\n", text);
}

bool sense_notify_alive(const struct sense_notify *notify)
{
	static const char message[] = "WATCHDOG=1";
	return send_message(notify, message, sizeof message - 1);
}

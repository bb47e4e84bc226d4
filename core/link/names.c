#include "core/link/names.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/platform/platform.h"
#include "core/proc/child.h"

#define NAME_MAX_BYTES 255u

struct answer {
	struct sense_uplink_head head;
	union {
		struct sense_uplink_address addresses[SENSE_UPLINK_ADDRESSES];
		char why[160];
	};
};

static size_t addresses_take(const struct addrinfo *found, struct answer *out)
{
	size_t count = 0;
	for (; found && count < SENSE_UPLINK_ADDRESSES; found = found->ai_next) {
		struct sense_uplink_address *to = &out->addresses[count];
		if (found->ai_family == AF_INET) {
			to->family = 4;
			memcpy(to->bytes,
			       &((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr, 4);
			count++;
		} else if (found->ai_family == AF_INET6) {
			to->family = 6;
			memcpy(to->bytes,
			       &((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr, 16);
			count++;
		}
	}
	return count;
}

/* The length of the answer. kind: how many addresses; 0: why there is none. */
static size_t look_up(const char *name, struct answer *out)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int code = getaddrinfo(name, NULL, &hints, &found);
	size_t count = code ? 0 : addresses_take(found, out);
	if (!code)
		freeaddrinfo(found);
	out->head.kind = (uint32_t)count;
	if (count)
		return sizeof out->head + count * sizeof *out->addresses;
	int len = snprintf(out->why, sizeof out->why, "%s",
	                   code == EAI_SYSTEM ? strerror(errno)
	                   : code             ? gai_strerror(code)
	                                      : "it has no address");
	return sizeof out->head + (size_t)len;
}

static int serve(int fd)
{
	struct {
		struct sense_uplink_head head;
		char name[NAME_MAX_BYTES + 1];
	} asked;
	for (;;) {
		ssize_t got = recv(fd, &asked, sizeof asked - 1, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= (ssize_t)sizeof asked.head)
			return got ? EXIT_FAILURE : EXIT_SUCCESS;
		struct answer answer = {.head.number = asked.head.number};
		asked.name[(size_t)got - sizeof asked.head] = '\0';
		size_t len = look_up(asked.name, &answer);
		if (send(fd, &answer, len, 0) < 0)
			return EXIT_FAILURE;
	}
}

__attribute__((noreturn)) static void child(int fd)
{
	sense_error err;
	if (sense_platform_netward("sense-names", &fd, 1, true, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		_exit(EXIT_FAILURE);
	}
	_exit(serve(fd));
}

enum sense_status sense_names_start(int *fd, sense_error *err)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return sense_fail_errno(err, "link", "cannot make a socket");
	pid_t pid = sense_child_fork();
	if (!pid) {
		close(ends[0]);
		child(ends[1]);
	}
	close(ends[1]);
	if (pid > 0) {
		*fd = ends[0];
		return SENSE_OK;
	}
	close(ends[0]);
	return sense_fail_errno(err, "link", "cannot start the process that looks up names");
}

#include "server/proc/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"

#define BACKLOG 4096

void sense_listen_init(struct sense_listen *listen)
{
	memset(listen, 0, sizeof *listen);
	memset(listen->fds, 0xff, sizeof listen->fds);
}

void sense_listen_fini(struct sense_listen *listen)
{
	for (unsigned a = 0; a < SENSE_LISTEN_ADDRESSES_MAX; a++)
		for (unsigned s = 0; s < SENSE_LISTEN_SLOTS_MAX; s++)
			if (listen->fds[a][s] >= 0)
				close(listen->fds[a][s]);
	sense_listen_init(listen);
}

/* ---- addresses ---------------------------------------------------------------------------------- */

static bool port_parse(const char *text, in_port_t *port)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || number > 65535)
		return false;
	*port = htons((uint16_t)number);
	return true;
}

static bool address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	if (!colon || (size_t)(colon - text) >= sizeof host)
		return false;
	memset(out, 0, sizeof *out);
	snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
	size_t size = strlen(host);
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host[size - 1] = '\0';
		v6->sin6_family = AF_INET6;
		*len = sizeof *v6;
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 &&
		       port_parse(colon + 1, &v6->sin6_port);
	}
	v4->sin_family = AF_INET;
	*len = sizeof *v4;
	return inet_pton(AF_INET, strcmp(host, "*") ? host : "0.0.0.0", &v4->sin_addr) == 1 &&
	       port_parse(colon + 1, &v4->sin_port);
}

/* ---- sockets ------------------------------------------------------------------------------------ */

static int socket_make(const struct sockaddr_storage *address, socklen_t len)
{
	static const int one = 1;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	bool good = !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) &&
	            !setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) &&
	            (address->ss_family != AF_INET6 ||
	             !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one)) &&
	            !bind(fd, (const struct sockaddr *)address, len) && !listen(fd, BACKLOG);
	if (good)
		return fd;
	int code = errno;
	close(fd);
	errno = code;
	return -1;
}

static int old_of(const struct sense_listen *old, const char *name)
{
	for (unsigned i = 0; old && i < old->addresses; i++)
		if (!strcmp(old->names[i], name))
			return (int)i;
	return -1;
}

/*
 * SO_REUSEPORT lets any process of this user bind beside us, and so would hide that another server has the
 * address: asked once without.
 */
static bool is_free(const struct sockaddr_storage *address, socklen_t len)
{
	static const int one = 1;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true; /* the next call says why */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (address->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	bool busy = bind(fd, (const struct sockaddr *)address, len) && errno == EADDRINUSE;
	close(fd);
	return !busy;
}

static bool is_any_v6(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* One that this host cannot have, although nobody chose it, has no sockets then. */
static enum sense_status address_open(struct sense_listen *listen, unsigned at, const char *name,
                                      const struct sense_listen *old, sense_error *err)
{
	struct sockaddr_storage address;
	socklen_t len;
	int before = old_of(old, name);
	if (!address_parse(name, &address, &len))
		return sense_fail(
		    err, SENSE_E_CONFIG, "listen",
		    "server.listen: '%.60s' is no ADDRESS:PORT such as 0.0.0.0:8443 or [::]:8443", name);
	snprintf(listen->names[at], sizeof listen->names[at], "%s", name);
	if (before < 0 && !is_free(&address, len))
		return sense_fail(err, SENSE_E_IO, "listen", "%s is in use by another program", name);
	for (unsigned slot = 0; slot < listen->slots; slot++) {
		int kept = before < 0 ? -1 : old->fds[before][slot];
		int fd = kept >= 0 ? fcntl(kept, F_DUPFD_CLOEXEC, 0) : socket_make(&address, len);
		if (fd < 0 && slot == 0 && is_any_v6(&address) &&
		    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
			sense_log(SENSE_LOG_WARN, "listen", "this host has no IPv6: %s is left out", name);
			return SENSE_OK;
		}
		if (fd < 0)
			return sense_fail_errno(err, "listen", "cannot listen on %s", name);
		listen->fds[at][slot] = fd;
		if (getsockname(fd, (struct sockaddr *)&address,
		                &len)) /* the other slots take the port of the first */
			return sense_fail_errno(err, "listen", "cannot listen on %s", name);
	}
	return SENSE_OK;
}

enum sense_status sense_listen_open(struct sense_listen *listen, const char *const *addresses, unsigned count,
                                    unsigned slots, const struct sense_listen *old, sense_error *err)
{
	sense_listen_init(listen);
	if (!count || count > SENSE_LISTEN_ADDRESSES_MAX)
		return sense_fail(err, SENSE_E_CONFIG, "listen", "server.listen: one to %u addresses",
		                  SENSE_LISTEN_ADDRESSES_MAX);
	listen->slots = slots;
	enum sense_status status = SENSE_OK;
	for (unsigned i = 0; !status && i < count; i++) {
		status = address_open(listen, listen->addresses, addresses[i], old, err);
		listen->addresses += !status && listen->fds[listen->addresses][0] >= 0;
	}
	if (!status && !listen->addresses)
		status = sense_fail(err, SENSE_E_IO, "listen",
		                    "none of the addresses of server.listen is this host's");
	if (status)
		sense_listen_fini(listen);
	return status;
}

unsigned sense_listen_port(const struct sense_listen *listen, unsigned address)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof name;
	memset(&name, 0, sizeof name);
	if (getsockname(listen->fds[address][0], (struct sockaddr *)&name, &len))
		return 0;
	return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
	                                        : ((struct sockaddr_in *)&name)->sin_port);
}

void sense_listen_leave(const struct sense_listen *listen, const struct sense_listen *next)
{
	for (unsigned a = 0; a < listen->addresses; a++) {
		int after = old_of(next, listen->names[a]);
		for (unsigned slot = 0; slot < listen->slots; slot++)
			if (after < 0 || next->fds[after][slot] < 0)
				shutdown(listen->fds[a][slot], SHUT_RDWR);
	}
}

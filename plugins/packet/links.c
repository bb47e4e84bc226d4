#include "links.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	NOTICES_MAX = 1000, /* at a look; the rest waits for the next */
	ANSWER_BYTES = 64 * 1024
};

/* ---- notices --------------------------------------------------------------------------------- */

void links_init(struct links *links)
{
	struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	*links = (struct links){.fd = -1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&group, sizeof group)) {
		close(fd);
		fd = -1;
	}
	links->fd = fd;
}

void links_fini(struct links *links)
{
	if (links->fd >= 0)
		close(links->fd);
	free(links->entries);
	*links = (struct links){.fd = -1};
}

bool links_changed(struct links *links)
{
	char notice[4096]; /* what it says is not looked at: the list is made anew */
	bool changed = links->fd < 0;
	for (unsigned i = 0; links->fd >= 0 && i < NOTICES_MAX; i++) {
		ssize_t got = recv(links->fd, notice, sizeof notice, MSG_DONTWAIT);
		if (got < 0 && errno != EINTR && errno != ENOBUFS)
			break;
		changed = true;
	}
	return changed;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* Kinds that pass each frame on to the one below them. */
static bool is_layered(const char *kind, size_t size)
{
	static const char *const kinds[] = {"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"};
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strlen(kinds[i]) == strnlen(kind, size) && !strncmp(kinds[i], kind, size))
			return true;
	return false;
}

static bool layered_of(const struct rtattr *info)
{
	int left = (int)RTA_PAYLOAD(info);
	for (const struct rtattr *each = RTA_DATA(info); RTA_OK(each, left); each = RTA_NEXT(each, left))
		if (each->rta_type == IFLA_INFO_KIND)
			return is_layered(RTA_DATA(each), RTA_PAYLOAD(each));
	return false;
}

static unsigned number_of(const struct rtattr *attribute)
{
	uint32_t value = 0;
	if (RTA_PAYLOAD(attribute) >= sizeof value)
		memcpy(&value, RTA_DATA(attribute), sizeof value);
	return value;
}

static struct link_entry entry_of(const struct nlmsghdr *message)
{
	const struct ifinfomsg *about = NLMSG_DATA(message);
	int left = (int)IFLA_PAYLOAD(message);
	bool layered = false, elsewhere = false;
	struct link_entry entry = {.index = (unsigned)about->ifi_index,
	                           .up = about->ifi_flags & IFF_UP && about->ifi_flags & IFF_RUNNING};
	for (const struct rtattr *each = IFLA_RTA(about); RTA_OK(each, left); each = RTA_NEXT(each, left))
		switch (each->rta_type) {
		case IFLA_IFNAME:
			snprintf(entry.name, sizeof entry.name, "%.*s", (int)RTA_PAYLOAD(each),
			         (const char *)RTA_DATA(each));
			break;
		case IFLA_MASTER:
			entry.above = number_of(each);
			break;
		case IFLA_LINK:
			entry.below = number_of(each);
			break;
		case IFLA_LINK_NETNSID: /* the one below is in another namespace */
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			layered = layered_of(each);
			break;
		}
	if (!layered || elsewhere)
		entry.below = 0;
	return entry;
}

/* Takes one answer's messages; false: that was the last, or a failure that errno tells. */
static bool answer_take(struct link_entry *entries, unsigned *n, const void *answer, int left)
{
	const struct nlmsghdr *each = answer;
	for (; left >= NLMSG_HDRLEN && each->nlmsg_len >= NLMSG_HDRLEN && each->nlmsg_len <= (unsigned)left;
	     each = NLMSG_NEXT(each, left)) {
		if (each->nlmsg_type == NLMSG_DONE)
			return false;
		if (each->nlmsg_type == NLMSG_ERROR) {
			errno = EIO;
			return false;
		}
		if (each->nlmsg_type == RTM_NEWLINK && *n < LINKS_MAX)
			entries[(*n)++] = entry_of(each);
	}
	return true;
}

/* Gives how many there are, or -1 with errno. */
static int dump(int fd, struct link_entry *entries)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg about;
	} ask = {.head = {.nlmsg_len = sizeof ask,
	                  .nlmsg_type = RTM_GETLINK,
	                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	unsigned n = 0;
	char *answer = malloc(ANSWER_BYTES);
	ssize_t got = answer ? send(fd, &ask, sizeof ask, 0) : -1;
	errno = answer ? errno : ENOMEM;
	bool more = got >= 0;
	while (more) {
		got = recv(fd, answer, ANSWER_BYTES, 0);
		errno = got < 0 ? errno : 0;
		more = got >= 0 ? answer_take(entries, &n, answer, (int)got) : errno == EINTR;
	}
	free(answer);
	return got < 0 || errno ? -1 : (int)n;
}

/* A bridge's frames pass its ports, a bond's its members, a VLAN's the interface below it. */
static void mark_stacked(struct link_entry *entries, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		entries[i].stacked |= entries[i].below != 0;
		for (unsigned k = 0; entries[i].above && k < count; k++)
			entries[k].stacked |= entries[k].index == entries[i].above;
	}
}

enum sense_status links_list(struct links *links, const struct sense_host *host, sense_error *err)
{
	struct link_entry *entries = calloc(LINKS_MAX, sizeof *entries);
	if (!entries)
		return host->fail(err, SENSE_E_MEMORY, "packet", "no memory for %u interfaces",
		                  (unsigned)LINKS_MAX);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int count = fd < 0 ? -1 : dump(fd, entries), why = errno;
	if (fd >= 0)
		close(fd);
	if (count < 0) {
		free(entries);
		return host->fail(err, SENSE_E_IO, "packet", "cannot list interfaces: %s", strerror(why));
	}
	mark_stacked(entries, (unsigned)count);
	free(links->entries);
	links->entries = entries;
	links->count = (unsigned)count;
	return SENSE_OK;
}

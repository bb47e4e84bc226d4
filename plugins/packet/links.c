#include "links.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOTICES_MAX = 1000 }; /* at a look; the rest waits for the next */

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

enum sense_status links_list(struct links *links, const struct sense_host *host, sense_error *err)
{
	struct ifaddrs *all;
	struct link_entry *entries = calloc(LINKS_MAX, sizeof *entries);
	unsigned n = 0;
	if (!entries)
		return host->fail(err, SENSE_E_MEMORY, "packet", "no memory for %u interfaces", (unsigned)LINKS_MAX);
	if (getifaddrs(&all)) {
		free(entries);
		return host->fail(err, SENSE_E_IO, "packet", "cannot list interfaces: %s", strerror(errno));
	}
	for (const struct ifaddrs *each = all; each && n < LINKS_MAX; each = each->ifa_next) {
		const struct sockaddr_ll *link = (const void *)each->ifa_addr;
		if (link && link->sll_family != AF_PACKET)
			continue;
		/* One without a hardware address, a tunnel say, comes without its index. */
		unsigned index = link ? (unsigned)link->sll_ifindex : if_nametoindex(each->ifa_name);
		struct link_entry *entry = &entries[n++];
		*entry = (struct link_entry){.index = index,
		                             .up = each->ifa_flags & IFF_UP && each->ifa_flags & IFF_RUNNING};
		snprintf(entry->name, sizeof entry->name, "%s", each->ifa_name);
	}
	freeifaddrs(all);
	free(links->entries);
	links->entries = entries;
	links->count = n;
	return SENSE_OK;
}

/*
 * Interfaces of this system, as rtnetlink(7) tells them: those that there are, and when that changed.
 */
#ifndef PACKET_LINKS_H
#define PACKET_LINKS_H

#include "core/sense_plugin.h"

enum { LINKS_MAX = 1024 };

struct link_entry {
	unsigned index;
	unsigned below; /* a VLAN's or its like: the interface that its frames pass, too; 0: none */
	unsigned above; /* of the bridge, bond or the like that it is a port of; 0: none */
	char name[32];
	bool up;
	bool stacked; /* all of its frames pass another interface here */
};

struct links {
	int fd; /* of notices; -1: there are none, each look lists anew */
	struct link_entry *entries;
	unsigned count;
};

void links_init(struct links *links);
void links_fini(struct links *links);
/* Something about interfaces changed since the last call, or may have. */
bool links_changed(struct links *links);
/* Lists them anew, LINKS_MAX at most. On failure those of before stay. */
enum sense_status links_list(struct links *links, const struct sense_host *host, sense_error *err);

#endif

/* The privileged side: sockets, their filter as interfaces come and go, what was dropped. */
#include "live.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "filter.h"
#include "links.h"
#include "room.h"
#include "socket.h"
#include "tally.h"

enum { TALLY_LOOKS = 10 /* of room's */ };

struct wanted {
	char name[32];
	unsigned index; /* 0: it is not there */
};

struct live {
	const struct sense_host *host;
	struct room room;
	struct tally tally;
	struct wanted *wanted;
	unsigned wanted_count;
	unsigned indexes[FILTER_INTERFACES_MAX], index_count; /* in the filter */
	uint32_t snaplen;
	struct filter_expression expression;
	struct links links;
	struct sense_live_stats stats; /* since begin: the kernel forgets what it told */
	unsigned looks;
	struct sock_filter code[BPF_MAXINSNS];
	unsigned code_length;
};

static void live_end(void *context)
{
	struct live *live = context;
	tally_fini(&live->tally);
	room_end(&live->room);
	filter_free(&live->expression);
	links_fini(&live->links);
	free(live->wanted);
	free(live);
}

/* ---- which interfaces ------------------------------------------------------------------------ */

/* By any of its names. */
static void wanted_find(struct live *live, struct wanted *wanted)
{
	unsigned before = wanted->index;
	wanted->index = if_nametoindex(wanted->name);
	if (before != wanted->index)
		live->host->log(SENSE_LOG_INFO, "packet", "interface %s %s", wanted->name,
		                !wanted->index ? "went away"
		                : before       ? "is another one now"
		                               : "is captured");
}

/*
 * The interfaces that are named, if any are; else those to leave out, whose frames pass another one as well
 * and would be counted twice. True: the set is another one.
 */
static bool indexes_find(struct live *live)
{
	unsigned indexes[FILTER_INTERFACES_MAX], n = 0;
	for (unsigned i = 0; i < live->wanted_count; i++)
		if (live->wanted[i].index)
			indexes[n++] = live->wanted[i].index;
	for (unsigned i = 0; !live->wanted_count && i < live->links.count && n < FILTER_INTERFACES_MAX; i++)
		if (live->links.entries[i].stacked)
			indexes[n++] = live->links.entries[i].index;
	if (n == live->index_count && !memcmp(indexes, live->indexes, n * sizeof *indexes))
		return false;
	memcpy(live->indexes, indexes, n * sizeof *indexes);
	live->index_count = n;
	return true;
}

/* Those whose packets come: what is counted at each. */
static void tally_attach(struct live *live, bool is_new)
{
	struct tally_interface want[SHARE_INTERFACES_MAX];
	unsigned n = 0;
	for (unsigned i = 0; i < live->wanted_count && n < SHARE_INTERFACES_MAX; i++)
		if (live->wanted[i].index)
			want[n++] = (struct tally_interface){live->wanted[i].name, live->wanted[i].index};
	for (unsigned i = 0; !live->wanted_count && i < live->links.count && n < SHARE_INTERFACES_MAX; i++)
		if (!live->links.entries[i].stacked)
			want[n++] = (struct tally_interface){live->links.entries[i].name,
			                                     live->links.entries[i].index};
	const struct tally_filter filter = {live->code, live->code_length, is_new};
	tally_set(&live->tally, want, n, live->room.rows, live->room.workers, &filter);
}

static enum sense_status filter_attach(struct live *live, sense_error *err)
{
	int fds[RINGS * SHARE_MAX];
	unsigned sockets = room_sockets(&live->room, fds);
	struct filter_want want = {.only = live->wanted_count,
	                           .indexes = live->indexes,
	                           .count = live->index_count,
	                           .snaplen = live->snaplen,
	                           .expression = &live->expression};
	unsigned count = filter_build(&want, live->code);
	if (!count)
		return live->host->fail(
		    err, SENSE_E_LIMIT, "packet",
		    "the filter is too long: more than %u instructions with those for %u interfaces",
		    (unsigned)BPF_MAXINSNS, live->index_count);
	enum sense_status status = SENSE_OK;
	for (unsigned i = 0; !status && i < sockets; i++)
		status = packet_socket_filter(live->host, fds[i], live->code, count, err);
	live->code_length = count;
	tally_attach(live, true);
	return status;
}

/* ---- begin ----------------------------------------------------------------------------------- */

static enum sense_status want_check(const struct sense_host *host, const struct sense_live_want *want,
                                    sense_error *err)
{
	if (!want->workers || want->workers > SHARE_MAX)
		return host->fail(err, SENSE_E_LIMIT, "packet", "%u workers: 1 to %u can capture",
		                  want->workers, (unsigned)SHARE_MAX);
	if (want->interface_count > FILTER_INTERFACES_MAX)
		return host->fail(err, SENSE_E_LIMIT, "packet", "%u interfaces are named, %u at most can be",
		                  want->interface_count, (unsigned)FILTER_INTERFACES_MAX);
	for (unsigned i = 0; i < want->interface_count; i++) {
		const char *name = want->interfaces[i];
		if (!*name || strlen(name) >= sizeof((struct wanted *)0)->name)
			return host->fail(err, SENSE_E_CONFIG, "packet",
			                  "'%s' cannot be the name of an interface", name);
	}
	return SENSE_OK;
}

static enum sense_status wanted_take(struct live *live, const struct sense_live_want *want, sense_error *err)
{
	live->wanted = calloc(want->interface_count + 1u, sizeof *live->wanted);
	if (!live->wanted)
		return live->host->fail(err, SENSE_E_MEMORY, "packet", "no memory to capture");
	live->wanted_count = want->interface_count;
	for (unsigned i = 0; i < want->interface_count; i++) {
		memcpy(live->wanted[i].name, want->interfaces[i], strlen(want->interfaces[i]) + 1);
		wanted_find(live, &live->wanted[i]);
		if (!live->wanted[i].index)
			live->host->log(SENSE_LOG_WARN, "packet",
			                "interface %s is not there; it is captured when it comes",
			                live->wanted[i].name);
	}
	return SENSE_OK;
}

static enum sense_status live_begin(const struct sense_host *host, const struct sense_live_want *want,
                                    void **context, int *fds, sense_error *err)
{
	enum sense_status status = want_check(host, want, err);
	if (status)
		return status;
	struct live *live = calloc(1, sizeof *live);
	if (!live)
		return host->fail(err, SENSE_E_MEMORY, "packet", "no memory to capture");
	live->host = host;
	live->snaplen = want->snaplen ? want->snaplen : BLOCK_BYTES;
	/* Notices first, so that nothing comes or goes unseen while the names are looked up. */
	links_init(&live->links);
	tally_init(&live->tally, host);
	status = filter_compile(&live->expression, host, want->filter, live->snaplen, err);
	if (!status)
		status = wanted_take(live, want, err);
	if (!status)
		status = room_begin(&live->room, host, want->workers, want->ring_bytes, err);
	if (!status)
		status = links_list(&live->links, host, err);
	if (!status) {
		indexes_find(live);
		status = filter_attach(live, err);
	}
	if (status) {
		live_end(live);
		return status;
	}
	for (unsigned i = 0; i < want->workers; i++)
		fds[i] = live->room.rows[i]->fds[RING_SMALL];
	*context = live;
	return SENSE_OK;
}

/* ---- while it lives -------------------------------------------------------------------------- */

static enum sense_status interfaces_look(struct live *live, sense_error *err)
{
	if (!links_changed(&live->links))
		return SENSE_OK;
	for (unsigned i = 0; i < live->wanted_count; i++)
		wanted_find(live, &live->wanted[i]);
	enum sense_status status = links_list(&live->links, live->host, err);
	if (indexes_find(live)) {
		enum sense_status attached = filter_attach(live, status ? NULL : err);
		return status ? status : attached;
	}
	tally_attach(live, false);
	return status;
}

static enum sense_status live_look(void *context, struct sense_live_stats *stats, sense_error *err)
{
	struct live *live = context;
	int fds[RINGS * SHARE_MAX];
	unsigned sockets = room_sockets(&live->room, fds);
	enum sense_status status = interfaces_look(live, err);
	for (unsigned i = 0; i < sockets; i++) {
		enum sense_status counted =
		    packet_socket_count(live->host, fds[i], &live->stats, status ? NULL : err);
		status = status ? status : counted;
	}
	room_look(&live->room, live->stats.received);
	if (live->looks++ % TALLY_LOOKS == 0)
		tally_look(&live->tally, live->room.rows, live->room.workers, live->stats.dropped);
	*stats = live->stats;
	return status;
}

/* What is not in the worker's own socket. */
static unsigned live_keeps(const void *context, unsigned worker, int *fds, unsigned max)
{
	const struct live *live = context;
	const struct share_row *row = live->room.rows[worker];
	if (max < 2 || row->fds[RING_LARGE] < 0)
		return 0;
	fds[0] = row->fds[RING_LARGE];
	fds[1] = row->wake;
	return 2;
}

static void counts_fill(const struct live *live, struct sense_live_interface *out)
{
	const struct tally_entry *entry = tally_find(&live->tally, out->name);
	if (!entry)
		return;
	out->received = entry->offered;
	out->dropped = entry->dropped;
}

/* Those that are named, there or not; without names, all that are captured. */
static unsigned live_interfaces(const void *context, struct sense_live_interface *out, unsigned max)
{
	const struct live *live = context;
	const struct links *links = &live->links;
	unsigned n = 0;
	for (unsigned i = 0; i < live->wanted_count && n < max; i++, n++) {
		out[n] = (struct sense_live_interface){.wanted_by_name = true};
		memcpy(out[n].name, live->wanted[i].name, sizeof out[n].name);
		for (unsigned k = 0; k < links->count; k++)
			if (live->wanted[i].index && links->entries[k].index == live->wanted[i].index)
				out[n].up = links->entries[k].up;
		counts_fill(live, &out[n]);
	}
	for (unsigned i = 0; !live->wanted_count && i < links->count && n < max; i++) {
		if (links->entries[i].stacked)
			continue;
		out[n] = (struct sense_live_interface){.up = links->entries[i].up};
		memcpy(out[n].name, links->entries[i].name, sizeof out->name);
		counts_fill(live, &out[n++]);
	}
	return n;
}

const struct sense_live_ops live_ops = {
    .size = sizeof live_ops,
    .begin = live_begin,
    .look = live_look,
    .interfaces = live_interfaces,
    .end = live_end,
    .keeps = live_keeps,
};

/* The privileged side: sockets, their filter as interfaces come and go, what was dropped. */
#include "live.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "filter.h"
#include "links.h"
#include "ring.h"
#include "socket.h"

struct wanted {
	char name[32];
	unsigned index; /* 0: it is not there */
};

struct live {
	const struct sense_host *host;
	int *fds;
	unsigned count;
	struct wanted *wanted;
	unsigned wanted_count;
	unsigned indexes[FILTER_INTERFACES_MAX], index_count; /* in the filter */
	uint32_t snaplen;
	struct filter_expression expression;
	struct links links;
	struct sense_live_stats stats; /* since begin: the kernel forgets what it told */
	struct sock_filter code[BPF_MAXINSNS];
};

static void live_end(void *context)
{
	struct live *live = context;
	for (unsigned i = 0; live->fds && i < live->count; i++) {
		ring_forget(live->fds[i]);
		close(live->fds[i]);
	}
	filter_free(&live->expression);
	links_fini(&live->links);
	free(live->wanted);
	free(live->fds);
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

static enum sense_status filter_attach(struct live *live, sense_error *err)
{
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
	for (unsigned i = 0; !status && i < live->count; i++)
		status = packet_socket_filter(live->host, live->fds[i], live->code, count, err);
	return status;
}

/* ---- begin ----------------------------------------------------------------------------------- */

static enum sense_status want_check(const struct sense_host *host, const struct sense_live_want *want,
                                    sense_error *err)
{
	if (!want->workers || want->workers > RING_SOCKETS_MAX)
		return host->fail(err, SENSE_E_LIMIT, "packet", "%u workers: 1 to %u can capture",
		                  want->workers, (unsigned)RING_SOCKETS_MAX);
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
	live->fds = calloc(want->workers, sizeof *live->fds);
	live->wanted = calloc(want->interface_count + 1u, sizeof *live->wanted);
	if (!live->fds || !live->wanted)
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

static enum sense_status sockets_make(struct live *live, const struct sense_live_want *want, sense_error *err)
{
	uint64_t each = want->ring_bytes / want->workers / BLOCK_BYTES;
	uint32_t blocks = each < RING_BLOCKS_LEAST ? RING_BLOCKS_LEAST
	                : each > 65536             ? 65536
	                                           : (uint32_t)each;
	for (unsigned i = 0; i < want->workers; i++) {
		uint32_t got = blocks;
		enum sense_status status = packet_socket_new(live->host, &got, &live->fds[i], err);
		if (status)
			return status;
		live->count++;
		if (got < blocks)
			live->host->log(SENSE_LOG_WARN, "packet",
			                "memory is short: a ring has %u KiB, %u were wanted",
			                got * (BLOCK_BYTES / 1024), blocks * (BLOCK_BYTES / 1024));
		if (!ring_note(live->fds[i], got))
			return live->host->fail(err, SENSE_E_LIMIT, "packet", "more than %u workers capture",
			                        (unsigned)RING_SOCKETS_MAX);
	}
	return packet_socket_group(live->host, live->fds, live->count, err);
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
	status = filter_compile(&live->expression, host, want->filter, live->snaplen, err);
	if (!status)
		status = wanted_take(live, want, err);
	if (!status)
		status = sockets_make(live, want, err);
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
	memcpy(fds, live->fds, live->count * sizeof *fds);
	*context = live;
	return SENSE_OK;
}

/* ---- while it lives -------------------------------------------------------------------------- */

static enum sense_status live_look(void *context, struct sense_live_stats *stats, sense_error *err)
{
	struct live *live = context;
	enum sense_status status = SENSE_OK;
	if (links_changed(&live->links)) {
		for (unsigned i = 0; i < live->wanted_count; i++)
			wanted_find(live, &live->wanted[i]);
		status = links_list(&live->links, live->host, err);
		if (indexes_find(live)) {
			enum sense_status attached = filter_attach(live, status ? NULL : err);
			status = status ? status : attached;
		}
	}
	for (unsigned i = 0; i < live->count; i++) {
		enum sense_status counted =
		    packet_socket_count(live->host, live->fds[i], &live->stats, status ? NULL : err);
		status = status ? status : counted;
	}
	*stats = live->stats;
	return status;
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
	}
	for (unsigned i = 0; !live->wanted_count && i < links->count && n < max; i++) {
		if (links->entries[i].stacked)
			continue;
		out[n] = (struct sense_live_interface){.up = links->entries[i].up};
		memcpy(out[n++].name, links->entries[i].name, sizeof out->name);
	}
	return n;
}

const struct sense_live_ops live_ops = {
    .size = sizeof live_ops,
    .begin = live_begin,
    .look = live_look,
    .interfaces = live_interfaces,
    .end = live_end,
};

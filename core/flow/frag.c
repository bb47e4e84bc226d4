#include "core/flow/frag.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

enum {
	UNIT = 8, /* fragment offsets count these */
	UNITS = 65536 / UNIT,
	DATAGRAM_MAX = 65535, /* with its header */
	HEADER_ROOM = 40,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	BYTES_PER_DATAGRAM = 16 * 1024 /* on average, for the bound of the whole table */
};

#define AGE_MAX_US (UINT64_C(30) * 1000000) /* as Linux has it; senders reuse ids after that */

struct key {
	struct sense_addr src;
	struct sense_addr dst;
	uint32_t id;
	uint16_t vlan;
	uint8_t l4; /* IPv4 only: in IPv6 the first fragment alone knows it */
	uint8_t ip_version;
};

_Static_assert(sizeof(struct key) == 40, "the key is compared and hashed with no padding in it");

struct datagram {
	struct key key;
	uint32_t total; /* payload bytes; 0 until the last fragment came */
	uint32_t units; /* received */
	uint32_t reach; /* end of the farthest fragment */
	uint32_t room;  /* bytes at data, the header's not counted */
	uint32_t wire;  /* sum of the frames */
	uint8_t l4;
	uint8_t *data;  /* HEADER_ROOM, then the payload */
	uint64_t have[UNITS / 64];
};

/* Searches go through these alone: under a flood of fragments the table is always full. */
struct slot {
	uint64_t hash; /* of the key */
	uint64_t born; /* capture time of the fragment that came first */
	struct datagram *datagram;
};

struct sense_frag {
	unsigned max;
	unsigned live;
	uint64_t seed;
	size_t bytes;
	struct sense_frag_stats stats;
	struct datagram *done; /* lent to the caller of the last add */
	struct slot *slots;    /* the first `live` are used */
};

/* ---- datagrams ------------------------------------------------------------------------------------- */

sense_frag *sense_frag_new(unsigned max_datagrams)
{
	sense_frag *frag = calloc(1, sizeof *frag);
	if (!frag)
		return NULL;
	frag->max = max_datagrams ? max_datagrams : 1;
	frag->seed = sense_hash_seed();
	frag->slots = calloc(frag->max, sizeof *frag->slots);
	if (frag->slots)
		return frag;
	sense_frag_free(frag);
	return NULL;
}

static void datagram_free(struct datagram *datagram)
{
	if (datagram)
		free(datagram->data);
	free(datagram);
}

void sense_frag_free(sense_frag *frag)
{
	if (!frag)
		return;
	while (frag->live)
		datagram_free(frag->slots[--frag->live].datagram);
	datagram_free(frag->done);
	free(frag->slots);
	free(frag);
}

const struct sense_frag_stats *sense_frag_stats(const sense_frag *frag)
{
	return &frag->stats;
}

/* Takes a datagram out of the table; it is the caller's then. */
static struct datagram *take(sense_frag *frag, unsigned slot)
{
	struct datagram *datagram = frag->slots[slot].datagram;
	frag->slots[slot] = frag->slots[--frag->live];
	/* The analyzer takes the slot that was moved here for one that was freed. */
	frag->bytes -= datagram->room; /* NOLINT(clang-analyzer-unix.Malloc) */
	return datagram;
}

static void drop(sense_frag *frag, unsigned slot)
{
	datagram_free(take(frag, slot));
	frag->stats.dropped++;
}

static unsigned oldest(const sense_frag *frag)
{
	unsigned best = 0;
	for (unsigned i = 1; i < frag->live; i++)
		if (frag->slots[i].born < frag->slots[best].born)
			best = i;
	return best;
}

/* Time in captures can go backwards; a datagram from the future is not old. */
static bool is_old(const struct slot *slot, uint64_t now)
{
	return now > slot->born && now - slot->born > AGE_MAX_US;
}

/* The slot of the datagram that a fragment belongs to, a new one if need be; or max: no memory. */
static unsigned find(sense_frag *frag, const struct key *key, uint64_t now)
{
	uint64_t hash = sense_hash(key, sizeof *key, frag->seed);
	for (unsigned i = 0; i < frag->live; i++) {
		if (frag->slots[i].hash != hash ||
		    memcmp(&frag->slots[i].datagram->key, key, sizeof *key))
			continue;
		if (!is_old(&frag->slots[i], now))
			return i;
		drop(frag, i);
		break;
	}
	struct datagram *datagram = calloc(1, sizeof *datagram);
	if (!datagram)
		return frag->max;
	if (frag->live == frag->max)
		drop(frag, oldest(frag));
	datagram->key = *key;
	frag->slots[frag->live] = (struct slot){.hash = hash, .born = now, .datagram = datagram};
	return frag->live++;
}

/* ---- fragments into a datagram --------------------------------------------------------------------- */

static bool has_unit(const struct datagram *datagram, uint32_t unit)
{
	return datagram->have[unit / 64] >> unit % 64 & 1;
}

static bool ensure_room(sense_frag *frag, struct datagram *datagram, uint32_t end)
{
	if (end <= datagram->room)
		return true;
	uint32_t room = datagram->room ? datagram->room : 2048;
	while (room < end)
		room *= 2;
	uint8_t *grown = realloc(datagram->data, HEADER_ROOM + (size_t)room);
	if (!grown)
		return false;
	frag->bytes += room - datagram->room;
	datagram->data = grown;
	datagram->room = room;
	return true;
}

/* What a fragment says about the length of its datagram must agree with all others. */
static bool lengths_agree(struct datagram *datagram, const struct sense_decoded *fragment)
{
	uint32_t end = fragment->frag_offset + fragment->frag_len;
	uint32_t header = fragment->ip_version == 4 ? IPV4_HEADER : 0;
	if (fragment->frag_len > DATAGRAM_MAX || end > DATAGRAM_MAX - header)
		return false;
	if (fragment->frag_more)
		return fragment->frag_len && fragment->frag_len % UNIT == 0 &&
		       (!datagram->total || end <= datagram->total);
	if (datagram->total ? end != datagram->total : end < datagram->reach || !end)
		return false;
	datagram->total = end;
	return true;
}

/* False when the fragment overlaps another in a way that its protocol forbids. */
static bool merge(struct datagram *datagram, const struct sense_decoded *fragment)
{
	uint8_t *payload = datagram->data + HEADER_ROOM;
	uint32_t fresh = 0, stale = 0;
	for (uint32_t at = 0; at < fragment->frag_len; at += UNIT) {
		uint32_t left = fragment->frag_len - at, size = left < UNIT ? left : UNIT;
		uint32_t offset = fragment->frag_offset + at, unit = offset / UNIT;
		if (has_unit(datagram, unit)) {
			/* The same bytes again are a repeated frame, not an attempt (RFC 8200, 4.5). */
			if (fragment->ip_version == 6 &&
			    memcmp(payload + offset, fragment->frag_data + at, size))
				return false;
			stale++;
			continue;
		}
		memcpy(payload + offset, fragment->frag_data + at, size);
		datagram->have[unit / 64] |= UINT64_C(1) << unit % 64;
		fresh++;
	}
	datagram->units += fresh;
	return fragment->ip_version == 4 || !fresh || !stale;
}

/* ---- whole datagrams ------------------------------------------------------------------------------- */

/*
 * Puts a plain header before the payload: options and extension headers that stood before the
 * fragment header have done their work on the way.
 */
static const uint8_t *write_header(struct datagram *datagram, const struct sense_decoded *fragment,
                                   uint32_t *header)
{
	*header = fragment->ip_version == 4 ? IPV4_HEADER : IPV6_HEADER;
	uint8_t *ip = datagram->data + HEADER_ROOM - *header;
	memcpy(ip, fragment->ip, *header);
	uint32_t length = datagram->total + (fragment->ip_version == 4 ? IPV4_HEADER : 0);
	uint8_t high = (uint8_t)(length >> 8), low = (uint8_t)length;
	if (fragment->ip_version == 6) {
		ip[4] = high;
		ip[5] = low;
		ip[6] = datagram->l4;
		return ip;
	}
	ip[0] = 0x45;
	ip[2] = high;
	ip[3] = low;
	ip[6] = ip[7] = 0;
	return ip;
}

static bool complete(sense_frag *frag, unsigned slot, const struct sense_decoded *fragment,
                     struct sense_decoded *whole)
{
	struct datagram *datagram = frag->done = take(frag, slot);
	uint32_t header;
	const uint8_t *ip = write_header(datagram, fragment, &header);
	*whole = *fragment;
	whole->wire_len = datagram->wire;
	frag->stats.completed++;
	/* A datagram that turns out to hold another fragment is not followed further. */
	return sense_packet_decode_ip(ip, header + datagram->total, whole) == SENSE_DECODE_OK;
}

bool sense_frag_add(sense_frag *frag, const struct sense_decoded *fragment,
                    struct sense_decoded *whole)
{
	struct key key = {.src = fragment->src,
	                  .dst = fragment->dst,
	                  .id = fragment->frag_id,
	                  .vlan = fragment->vlan,
	                  .l4 = fragment->ip_version == 4 ? fragment->l4 : 0,
	                  .ip_version = fragment->ip_version};
	datagram_free(frag->done);
	frag->done = NULL;
	frag->stats.fragments++;
	unsigned slot = find(frag, &key, fragment->ts_us);
	if (slot == frag->max) {
		frag->stats.dropped++;
		return false;
	}
	struct datagram *datagram = frag->slots[slot].datagram;
	uint32_t end = fragment->frag_offset + fragment->frag_len;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as in take */
	if (!lengths_agree(datagram, fragment) || !ensure_room(frag, datagram, end) ||
	    !merge(datagram, fragment)) {
		drop(frag, slot);
		return false;
	}
	datagram->wire += fragment->wire_len;
	if (!fragment->frag_offset)
		datagram->l4 = fragment->l4;
	if (end > datagram->reach)
		datagram->reach = end;
	if (datagram->total && datagram->units == (datagram->total + UNIT - 1) / UNIT)
		return complete(frag, slot, fragment, whole);
	if (frag->bytes > (size_t)frag->max * BYTES_PER_DATAGRAM)
		drop(frag, oldest(frag));
	return false;
}

/* Link layers: from the start of a frame to the EtherType of what it carries. */
#include "core/flow/walk.h"

enum { LLC_SNAP = 8, IEEE80211_HEADER = 24, IEEE80211_QOS = 2, IEEE80211_HT_CONTROL = 4 };

static bool is_ip(uint16_t ether)
{
	return ether == ETHER_IPV4 || ether == ETHER_IPV6;
}

/* Where a link layer names no protocol, or names it in a way nobody agreed on. */
static enum sense_decode_result by_version(struct sense_walk *walk)
{
	if (!walk->captured)
		return walk->wire ? SENSE_DECODE_TRUNCATED : SENSE_DECODE_MALFORMED;
	unsigned version = walk->p[0] >> 4;
	walk->ether = version == 4 ? ETHER_IPV4 : version == 6 ? ETHER_IPV6 : 0;
	return walk->ether ? SENSE_DECODE_OK : SENSE_DECODE_NOT_IP;
}

/* LLC with SNAP (IEEE 802.2; RFC 1042); any other LLC carries nothing to follow. */
static enum sense_decode_result llc(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	if (walk->wire < LLC_SNAP)
		return SENSE_DECODE_NOT_IP;
	enum sense_decode_result result = sense_walk_pass(walk, LLC_SNAP);
	if (result)
		return result;
	if (p[0] != 0xaa || p[1] != 0xaa || p[2] != 0x03)
		return SENSE_DECODE_NOT_IP;
	walk->ether = sense_be16(p + 6);
	return SENSE_DECODE_OK;
}

/* The last two bytes of an Ethernet header are a protocol from 0x600 on, and a length below. */
static enum sense_decode_result type_or_length(struct sense_walk *walk, uint16_t value)
{
	walk->ether = value;
	if (value >= 0x600)
		return SENSE_DECODE_OK;
	return value <= 1500 ? llc(walk) : SENSE_DECODE_NOT_IP;
}

static enum sense_decode_result ethernet(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	enum sense_decode_result result = sense_walk_pass(walk, 14);
	return result ? result : type_or_length(walk, sense_be16(p + 12));
}

/* Header of a fixed size with the EtherType at an offset of it. */
static enum sense_decode_result cooked(struct sense_walk *walk, uint32_t size, uint32_t at)
{
	const uint8_t *p = walk->p;
	enum sense_decode_result result = sense_walk_pass(walk, size);
	if (result)
		return result;
	walk->ether = sense_be16(p + at);
	/* Linux marks 802.2 frames by 4, and gives 0 where the device has no protocol numbers. */
	if (walk->ether == 4)
		return llc(walk);
	return walk->ether < 0x600 ? by_version(walk) : SENSE_DECODE_OK;
}

/* PPP protocol numbers (RFC 1661, 2; one byte when compressed). */
static enum sense_decode_result ppp_protocol(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	uint32_t size = walk->captured && p[0] & 1 ? 1 : 2;
	enum sense_decode_result result = sense_walk_pass(walk, size);
	if (result)
		return result;
	switch (size == 1 ? p[0] : sense_be16(p)) {
	case 0x0021:
		walk->ether = ETHER_IPV4;
		return SENSE_DECODE_OK;
	case 0x0057:
		walk->ether = ETHER_IPV6;
		return SENSE_DECODE_OK;
	case 0x0281:
	case 0x0283:
		walk->ether = ETHER_MPLS;
		return SENSE_DECODE_OK;
	default:
		return SENSE_DECODE_NOT_IP;
	}
}

/* PPP with or without address and control (RFC 1662), or Cisco HDLC, told apart by the address. */
static enum sense_decode_result ppp(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	if (walk->captured >= 4 && (p[0] == 0x0f || p[0] == 0x8f) && p[1] == 0) {
		enum sense_decode_result result = sense_walk_pass(walk, 4);
		walk->ether = sense_be16(p + 2);
		return result;
	}
	if (walk->captured >= 2 && p[0] == 0xff && p[1] == 0x03) {
		enum sense_decode_result result = sense_walk_pass(walk, 2);
		if (result)
			return result;
	}
	return ppp_protocol(walk);
}

/* IEEE 802.11, 9.2: data frames only; addresses do not matter, their number does. */
static enum sense_decode_result wifi(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	if (walk->captured < 2)
		return sense_walk_pass(walk, 2);
	unsigned type = p[0] >> 2 & 3, subtype = p[0] >> 4;
	bool both_ds = (p[1] & 3) == 3, protected = p[1] & 0x40, order = p[1] & 0x80;
	bool qos = subtype & 8, no_data = subtype & 4;
	if (type != 2 || no_data || protected)
		return SENSE_DECODE_NOT_IP;
	uint32_t size = IEEE80211_HEADER + (both_ds ? 6 : 0);
	if (qos)
		size += IEEE80211_QOS + (order ? IEEE80211_HT_CONTROL : 0);
	bool aggregate = qos && walk->captured >= size && p[IEEE80211_HEADER + (both_ds ? 6 : 0)] & 0x80;
	if (aggregate) /* subframe header: two addresses and a length; the first one is taken */
		size += 14;
	enum sense_decode_result result = sense_walk_pass(walk, size);
	return result ? result : llc(walk);
}

/* www.radiotap.org: of its fields only the length matters. */
static enum sense_decode_result radiotap(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	if (walk->captured < 8)
		return sense_walk_pass(walk, 8);
	uint32_t size = p[2] | (uint32_t)p[3] << 8;
	if (size < 8)
		return SENSE_DECODE_MALFORMED;
	enum sense_decode_result result = sense_walk_pass(walk, size);
	return result ? result : wifi(walk);
}

/* ---- the link types ------------------------------------------------------------------------------ */

enum link_layer { NONE, NULL_LOOP, ETHERNET, PPP, RAW, SLL, SLL2, WIFI, RADIOTAP };

static const struct {
	uint16_t link;
	uint8_t layer;
	const char *name;
} links[] = {
    {1, ETHERNET, "Ethernet"},
    {113, SLL, "Linux cooked"},
    {276, SLL2, "Linux cooked v2"},
    {101, RAW, "raw IP"},
    {12, RAW, "raw IP"}, /* DLT_RAW, written by mistake by some */
    {14, RAW, "raw IP"},
    {228, RAW, "raw IPv4"},
    {229, RAW, "raw IPv6"},
    {0, NULL_LOOP, "BSD loopback"},
    {108, NULL_LOOP, "OpenBSD loopback"},
    {9, PPP, "PPP"},
    {50, PPP, "PPP in HDLC framing"},
    {104, PPP, "Cisco HDLC"},
    {127, RADIOTAP, "IEEE 802.11 with radiotap"},
    {105, WIFI, "IEEE 802.11"},
};

static enum link_layer layer_of(uint16_t link, const char **name)
{
	for (unsigned i = 0; i < sizeof links / sizeof *links; i++)
		if (links[i].link == link) {
			*name = links[i].name;
			return links[i].layer;
		}
	*name = "unknown";
	return NONE;
}

bool sense_link_known(uint16_t link, const char **name)
{
	const char *found;
	enum link_layer layer = layer_of(link, &found);
	if (name)
		*name = found;
	return layer != NONE;
}

enum sense_decode_result sense_link_enter(struct sense_walk *walk, uint16_t link)
{
	const char *name;
	enum sense_decode_result result;
	switch (layer_of(link, &name)) {
	case ETHERNET:
		return ethernet(walk);
	case SLL:
		return cooked(walk, 16, 14);
	case SLL2:
		return cooked(walk, 20, 0);
	case RAW:
		return by_version(walk);
	case NULL_LOOP: /* an address family in anyone's byte order, and each system's own for IPv6 */
		result = sense_walk_pass(walk, 4);
		return result ? result : by_version(walk);
	case PPP:
		return ppp(walk);
	case WIFI:
		return wifi(walk);
	case RADIOTAP:
		return radiotap(walk);
	case NONE:
		break;
	}
	return SENSE_DECODE_UNKNOWN_LINK;
}

/* ---- between the link layer and IP ----------------------------------------------------------------- */

static enum sense_decode_result vlan_tag(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	enum sense_decode_result result = sense_walk_pass(walk, 4);
	if (result)
		return result;
	walk->vlan = sense_be16(p) & 0xfff;
	return type_or_length(walk, sense_be16(p + 2));
}

/* A label stack (RFC 3032) does not say what it carries: IP tells by its version. */
static enum sense_decode_result mpls_label(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	enum sense_decode_result result = sense_walk_pass(walk, 4);
	if (result)
		return result;
	bool bottom = p[2] & 1;
	return bottom ? by_version(walk) : SENSE_DECODE_OK;
}

/* RFC 2516, 4: version 1, type 1, code 0 is a session's data. */
static enum sense_decode_result pppoe(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	enum sense_decode_result result = sense_walk_pass(walk, 6);
	if (result)
		return result;
	return p[0] == 0x11 && p[1] == 0 ? ppp_protocol(walk) : SENSE_DECODE_NOT_IP;
}

enum sense_decode_result sense_link_descend(struct sense_walk *walk)
{
	enum sense_decode_result result = SENSE_DECODE_OK;
	while (!result && !is_ip(walk->ether)) {
		switch (walk->ether) {
		case ETHER_VLAN:
		case ETHER_VLAN_OLD:
		case ETHER_VLAN_SERVICE:
			result = vlan_tag(walk);
			break;
		case ETHER_MPLS:
		case ETHER_MPLS_UPSTREAM:
			result = mpls_label(walk);
			break;
		case ETHER_PPPOE:
			result = pppoe(walk);
			break;
		case ETHER_BRIDGED:
			result = ethernet(walk);
			break;
		default:
			result = SENSE_DECODE_NOT_IP;
		}
	}
	return result;
}

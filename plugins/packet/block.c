#include "block.h"

#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>

#include "share.h"

enum {
	LINK_ETHERNET = 1, /* LINKTYPE_, www.tcpdump.org/linktypes.html */
	LINK_RAW_IP = 101,
	FRAME_ALIGN = 8,
	FRAME_LEAST = TPACKET3_HDRLEN, /* with the address behind the header */
	MAC_BYTES = 2 * ETH_ALEN,
	TAG_BYTES = 4,
	MARK_AT = (sizeof(struct tpacket_block_desc) + FRAME_ALIGN - 1) & ~(FRAME_ALIGN - 1u),
	LEN_MAX = 1 << 24, /* no frame is longer, even one that the device will cut to pieces */
	FIRST_LEAST = MARK_AT + BLOCK_MARK_BYTES
};

/* ---- its state ------------------------------------------------------------------------------- */

static struct tpacket_hdr_v1 *head_of(uint8_t *base)
{
	return &((struct tpacket_block_desc *)(void *)base)->hdr.bh1;
}

static uint32_t status_of(const uint8_t *base)
{
	return __atomic_load_n(&((const struct tpacket_block_desc *)(const void *)base)->hdr.bh1.block_status,
	                       __ATOMIC_ACQUIRE);
}

bool block_is_ours(const uint8_t *base)
{
	return status_of(base) & TP_STATUS_USER;
}

uint64_t block_seq(const uint8_t *base)
{
	return ((const struct tpacket_block_desc *)(const void *)base)->hdr.bh1.seq_num;
}

/*
 * The kernel counts frames in the block's header while it fills it. One that it has not opened again since
 * it was read still has the count of that time, but also the mark.
 */
bool block_is_empty(const uint8_t *base)
{
	const struct tpacket_hdr_v1 *head = &((const struct tpacket_block_desc *)(const void *)base)->hdr.bh1;
	const struct block_mark *mark = (const void *)(base + MARK_AT);
	return !block_is_ours(base) &&
	       (!__atomic_load_n(&head->num_pkts, __ATOMIC_RELAXED) || mark->seq == head->seq_num);
}

void block_release(uint8_t *base)
{
	__atomic_store_n(&head_of(base)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

void block_mend(uint8_t *base)
{
	uint32_t status = status_of(base);
	if (status != TP_STATUS_KERNEL && !(status & TP_STATUS_USER))
		block_release(base);
}

void block_enter(struct block *block, uint8_t *base)
{
	const struct tpacket_hdr_v1 *head = head_of(base);
	const struct block_mark *mark = (const void *)(base + MARK_AT);
	*block = (struct block){.base = base,
	                        .seq = head->seq_num,
	                        .end = head->blk_len,
	                        .count = head->num_pkts,
	                        .next = head->offset_to_first_pkt};
	if (block->end > BLOCK_BYTES)
		block->end = BLOCK_BYTES;
	if (block->count > BLOCK_BYTES / FRAME_LEAST)
		block->count = BLOCK_BYTES / FRAME_LEAST;
	if (mark->seq != block->seq)
		return;
	block->given = mark->given < block->count ? mark->given : block->count;
	block->next = mark->next;
}

/* ---- its frames ------------------------------------------------------------------------------ */

/*
 * The tag is put behind the two addresses, which move into the room that the kernel left before them
 * (PACKET_RESERVE).
 */
static void tag_restore(struct sense_packet *packet, uint8_t *data, const struct tpacket3_hdr *frame)
{
	uint16_t tpid =
	    frame->tp_status & TP_STATUS_VLAN_TPID_VALID ? frame->hv1.tp_vlan_tpid : ETHERTYPE_VLAN;
	uint16_t tci = (uint16_t)frame->hv1.tp_vlan_tci;
	uint8_t *start = data - TAG_BYTES;
	memmove(start, data, MAC_BYTES);
	start[MAC_BYTES] = (uint8_t)(tpid >> 8);
	start[MAC_BYTES + 1] = (uint8_t)tpid;
	start[MAC_BYTES + 2] = (uint8_t)(tci >> 8);
	start[MAC_BYTES + 3] = (uint8_t)tci;
	packet->data = start;
	packet->caplen += TAG_BYTES;
	packet->len += TAG_BYTES;
}

static bool is_ethernet(unsigned type)
{
	return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
}

/* Devices that carry IP and nothing else; some of them show a header of their own before it. */
static bool is_ip_only(unsigned type)
{
	switch (type) {
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
		return true;
	default:
		return false;
	}
}

/* Interfaces that have no place there are few, or more than can be counted. */
static void count_interface(struct block_counts *counts, uint32_t index)
{
	struct share *share = counts->share;
	if (!share)
		return;
	for (unsigned tried = 0; tried < SHARE_INTERFACES_MAX; tried++) {
		if (atomic_load_explicit(&share->interfaces[counts->slot], memory_order_relaxed) == index) {
			share_add(&share->frames_of[counts->slot], 1);
			return;
		}
		counts->slot = (counts->slot + 1) % SHARE_INTERFACES_MAX;
	}
}

/* `room`: bytes from the frame's header to the end of the block. */
static bool frame_read(uint8_t *at, uint32_t room, struct sense_packet *out, struct block_counts *counts)
{
	const struct tpacket3_hdr *frame = (const void *)at;
	const struct sockaddr_ll *from = (const void *)(at + TPACKET_ALIGN(sizeof *frame));
	count_interface(counts, (uint32_t)from->sll_ifindex);
	uint32_t mac = frame->tp_mac, caplen = frame->tp_snaplen, len = frame->tp_len;
	if (mac < FRAME_LEAST || mac > room || caplen > room - mac || len > LEN_MAX)
		goto malformed;
	*out = (struct sense_packet){.data = at + mac,
	                             .ts_us = frame->tp_sec * UINT64_C(1000000) + frame->tp_nsec / 1000,
	                             .caplen = caplen,
	                             .len = len < caplen ? caplen : len,
	                             .link = LINK_ETHERNET,
	                             .iface = (uint16_t)from->sll_ifindex};
	if (is_ethernet(from->sll_hatype)) {
		if (frame->tp_status & TP_STATUS_VLAN_VALID && caplen >= MAC_BYTES &&
		    mac >= FRAME_LEAST + TAG_BYTES)
			tag_restore(out, at + mac, frame);
		return true;
	}
	if (!is_ip_only(from->sll_hatype)) {
		counts->foreign++;
		counts->foreign_type = from->sll_hatype;
		return false;
	}
	uint32_t before = (uint32_t)frame->tp_net - mac;
	if (frame->tp_net < mac || before > caplen)
		goto malformed;
	out->data += before;
	out->caplen -= before;
	out->len -= before;
	out->link = LINK_RAW_IP;
	return true;
malformed:
	counts->malformed++;
	return false;
}

unsigned block_take(struct block *block, struct sense_packet *packets, unsigned max,
                    struct block_counts *counts)
{
	unsigned n = 0, before = block->given;
	while (n < max && block->given < block->count) {
		uint32_t at = block->next;
		if (at < FIRST_LEAST || at % FRAME_ALIGN || at > block->end ||
		    block->end - at < FRAME_LEAST) {
			/* Without a way to the next frame those behind are lost. */
			counts->malformed += block->count - block->given;
			block->given = block->count;
			break;
		}
		uint32_t step =
		    ((const struct tpacket3_hdr *)(const void *)(block->base + at))->tp_next_offset;
		block->next = step < FRAME_LEAST || step > block->end - at ? block->end : at + step;
		block->given++;
		n += frame_read(block->base + at, block->end - at, &packets[n], counts);
	}
	if (counts->share)
		share_add(&counts->share->frames, block->given - before);
	*(struct block_mark *)(void *)(block->base + MARK_AT) =
	    (struct block_mark){.seq = block->seq, .given = block->given, .next = block->next};
	return n;
}

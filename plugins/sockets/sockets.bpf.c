/*
 * eBPF programs at the root cgroup: who holds a socket is noted when it is created, bound or connected
 * (in the context of the process), and told when the first packet of a flow leaves. What is told is the
 * packet's own address pair, so it is right in every network namespace and after address translation.
 *
 * No helper used here is for GPL programs only. Every program allows what it sees, always.
 * See bpf-helpers(7), https://docs.kernel.org/bpf/map_cgroup_storage.html; kernel 5.8 or later.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "record.h"

enum {
	ALLOW = 1,
	ETHER_IP4 = 0x0800,
	ETHER_IP6 = 0x86dd,
	L4_TCP = 6,
	L4_UDP = 17,
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	TCP_FLAGS_AT = 13,
	TCP_SYN = 2,
	OWNERS = 65536,
	SEEN = 16384,
	RING_BYTES = 512 * 1024
};

#define SEEN_FOR_NS (30ull * 1000 * 1000 * 1000) /* then a conversation over UDP is told again */

struct seen {
	__u64 cookie;
	__u8 remote[16];
	__u32 remote_port;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OWNERS);
	__type(key, __u64);
	__type(value, struct record_owner);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SEEN);
	__type(key, struct seen);
	__type(value, __u64);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} ring SEC(".maps");

/* [0]: records for which the ring had no room. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

char sockets_license[] SEC("license") = "Apache-2.0";

/* ---- who ------------------------------------------------------------------------------------- */

static __always_inline void owner_fill(struct record_owner *owner, __u64 ids)
{
	__builtin_memset(owner, 0, sizeof *owner);
	owner->tgid = ids >> 32;
	owner->uid = (__u32)bpf_get_current_uid_gid();
	owner->flags = (__u32)ids == ids >> 32 ? RECORD_MAIN_THREAD : 0;
	bpf_get_current_comm(owner->comm, sizeof owner->comm);
}

static __always_inline void owner_note(__u64 cookie)
{
	struct record_owner owner;
	owner_fill(&owner, bpf_get_current_pid_tgid());
	bpf_map_update_elem(&owners, &cookie, &owner, BPF_ANY);
}

SEC("cgroup/sock_create")
int on_create(struct bpf_sock *sock)
{
	owner_note(bpf_get_socket_cookie(sock));
	return ALLOW;
}

/* A socket may have been created by a parent or a service manager: who connects it is its user. */
SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *to)
{
	owner_note(bpf_get_socket_cookie(to));
	return ALLOW;
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *to)
{
	owner_note(bpf_get_socket_cookie(to));
	return ALLOW;
}

/* The same of datagrams with an address: often, so nothing is written while it stays the same one. */
static __always_inline void sends(struct bpf_sock_addr *to)
{
	__u64 cookie = bpf_get_socket_cookie(to);
	struct record_owner *owner = bpf_map_lookup_elem(&owners, &cookie);
	if (!owner || owner->tgid != bpf_get_current_pid_tgid() >> 32)
		owner_note(cookie);
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *to)
{
	sends(to);
	return ALLOW;
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *to)
{
	sends(to);
	return ALLOW;
}

/* ---- what ------------------------------------------------------------------------------------ */

static __always_inline struct record *record_new(__u32 kind, __u32 l4, __u64 cookie)
{
	struct record *record = bpf_ringbuf_reserve(&ring, sizeof *record, 0);
	if (!record) {
		__u32 first = 0;
		__u64 *count = bpf_map_lookup_elem(&drops, &first);
		if (count)
			__sync_fetch_and_add(count, 1);
		return record;
	}
	__builtin_memset(record, 0, sizeof *record);
	record->kind = kind;
	record->l4 = l4;
	record->cookie = cookie;
	struct record_owner *owner = bpf_map_lookup_elem(&owners, &cookie);
	if (owner)
		__builtin_memcpy(&record->owner, owner, sizeof *owner);
	return record;
}

static __always_inline void map_ip4(__u8 *out, __u32 address)
{
	__u32 *words = (__u32 *)out;
	words[0] = words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

static __always_inline void bound(struct bpf_sock *sock, int ip6)
{
	__u32 l4 = sock->protocol, port = sock->src_port;
	if ((l4 != L4_TCP && l4 != L4_UDP) || !port)
		return;
	__u64 cookie = bpf_get_socket_cookie(sock);
	owner_note(cookie);
	struct record *record = record_new(RECORD_BIND, l4, cookie);
	if (!record)
		return;
	if (ip6) {
		__u32 *words = (__u32 *)record->local;
		words[0] = sock->src_ip6[0];
		words[1] = sock->src_ip6[1];
		words[2] = sock->src_ip6[2];
		words[3] = sock->src_ip6[3];
	} else {
		map_ip4(record->local, sock->src_ip4);
	}
	record->local_port = port;
	bpf_ringbuf_submit(record, 0);
}

SEC("cgroup/post_bind4")
int on_bind4(struct bpf_sock *sock)
{
	bound(sock, 0);
	return ALLOW;
}

SEC("cgroup/post_bind6")
int on_bind6(struct bpf_sock *sock)
{
	bound(sock, 1);
	return ALLOW;
}

/* ---- when: the first packet of a flow -------------------------------------------------------- */

struct packet {
	__u8 local[16], remote[16];
	__u32 l4, l4_at;
};

static __always_inline int packet_ip4(struct __sk_buff *skb, struct packet *packet)
{
	__u32 words[IP4_HEADER / 4];
	if (bpf_skb_load_bytes(skb, 0, words, sizeof words))
		return 0;
	const __u8 *bytes = (const __u8 *)words;
	packet->l4 = bytes[9];
	packet->l4_at = (bytes[0] & 0xf) * 4;
	map_ip4(packet->local, words[3]);
	map_ip4(packet->remote, words[4]);
	return !(words[1] & bpf_htonl(0x1fff)); /* first fragment */
}

static __always_inline int packet_ip6(struct __sk_buff *skb, struct packet *packet)
{
	__u32 words[IP6_HEADER / 4];
	if (bpf_skb_load_bytes(skb, 0, words, sizeof words))
		return 0;
	packet->l4 = ((const __u8 *)words)[6];
	packet->l4_at = IP6_HEADER;
	__builtin_memcpy(packet->local, words + 2, 16);
	__builtin_memcpy(packet->remote, words + 6, 16);
	return 1;
}

static __always_inline int told_lately(__u64 cookie, const struct packet *packet, __u16 remote_port)
{
	struct seen key = {.cookie = cookie, .remote_port = remote_port};
	__builtin_memcpy(key.remote, packet->remote, 16);
	__u64 now = bpf_ktime_get_ns();
	__u64 *told = bpf_map_lookup_elem(&seen, &key);
	if (told && now - *told < SEEN_FOR_NS)
		return 1;
	bpf_map_update_elem(&seen, &key, &now, BPF_ANY);
	return 0;
}

static __always_inline void leaves(struct __sk_buff *skb)
{
	struct packet packet = {};
	__u16 ports[2];
	__u8 flags = 0;
	int whole = skb->protocol == bpf_htons(ETHER_IP4) ? packet_ip4(skb, &packet)
	          : skb->protocol == bpf_htons(ETHER_IP6) ? packet_ip6(skb, &packet)
	                                                  : 0;
	if (!whole)
		return;
	if (packet.l4 == L4_TCP) {
		if (bpf_skb_load_bytes(skb, packet.l4_at + TCP_FLAGS_AT, &flags, 1) || !(flags & TCP_SYN))
			return;
	} else if (packet.l4 != L4_UDP) {
		return;
	}
	if (bpf_skb_load_bytes(skb, packet.l4_at, ports, sizeof ports))
		return;
	__u64 cookie = bpf_get_socket_cookie(skb);
	__u16 remote_port = bpf_ntohs(ports[1]);
	if (packet.l4 == L4_UDP && told_lately(cookie, &packet, remote_port))
		return;
	struct record *record = record_new(RECORD_FLOW, packet.l4, cookie);
	if (!record)
		return;
	__builtin_memcpy(record->local, packet.local, 16);
	__builtin_memcpy(record->remote, packet.remote, 16);
	record->local_port = bpf_ntohs(ports[0]);
	record->remote_port = remote_port;
	bpf_ringbuf_submit(record, 0);
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	leaves(skb);
	return ALLOW;
}

#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block.h"

enum { FRAME_UNIT = 2048 /* of no meaning to version 3, but checked */ };

static enum sense_status refused(const struct sense_host *host, const char *what, sense_error *err)
{
	return host->fail(err, SENSE_E_IO, "packet", "%s: %s", what, strerror(errno));
}

static int option_set(int fd, int option, uint32_t value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof value);
}

/* A ring that is too large for the memory there is can still be a smaller one. */
static int ring_make(int fd, uint32_t *blocks)
{
	for (;;) {
		struct tpacket_req3 want = {
		    .tp_block_size = BLOCK_BYTES,
		    .tp_block_nr = *blocks,
		    .tp_frame_size = FRAME_UNIT,
		    .tp_frame_nr = *blocks * (BLOCK_BYTES / FRAME_UNIT),
		    .tp_retire_blk_tov = BLOCK_TIMEOUT_MS,
		    .tp_sizeof_priv = BLOCK_MARK_BYTES,
		};
		if (!setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &want, sizeof want))
			return 0;
		if (errno != ENOMEM || *blocks / 2 < BLOCKS_LEAST)
			return -1;
		*blocks /= 2;
	}
}

static enum sense_status bind_to(const struct sense_host *host, int fd, unsigned interface, sense_error *err)
{
	struct sockaddr_ll at = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)interface};
	if (bind(fd, (struct sockaddr *)&at, sizeof at))
		return refused(host, "cannot listen at the interfaces", err);
	return SENSE_OK;
}

static enum sense_status prepare(const struct sense_host *host, int fd, sense_error *err)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	if (option_set(fd, PACKET_VERSION, TPACKET_V3) || option_set(fd, PACKET_RESERVE, 4))
		return refused(host, "this system has no ring of the version that is needed (TPACKET_V3)",
		               err);
	enum sense_status status = packet_socket_filter(host, fd, &nothing, 1, err);
	return status ? status : bind_to(host, fd, 0, err);
}

enum sense_status packet_socket_new(const struct sense_host *host, int *fd, sense_error *err)
{
	/* Protocol 0: it hears nothing before it is bound. */
	*fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0 && (errno == EPERM || errno == EACCES))
		return host->fail(err, SENSE_E_IO, "packet",
		                  "to capture packets needs root, or the capability CAP_NET_RAW");
	if (*fd < 0)
		return refused(host, "cannot make a packet socket", err);
	enum sense_status status = prepare(host, *fd, err);
	if (status) {
		close(*fd);
		*fd = -1;
	}
	return status;
}

enum sense_status packet_socket_ring(const struct sense_host *host, int fd, uint32_t *blocks, sense_error *err)
{
	return ring_make(fd, blocks) ? refused(host, "cannot have a ring for packets", err) : SENSE_OK;
}

bool packet_socket_unring(int fd)
{
	struct tpacket_req3 none = {0};
	return !setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof none);
}

int packet_socket_tally(const struct sense_host *host, unsigned interface, struct sock_filter *code,
                        unsigned count)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), least = 1;
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) ||
	    packet_socket_filter(host, fd, code, count, NULL) || bind_to(host, fd, interface, NULL)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- the group --------------------------------------------------------------------------------- */

enum sense_status packet_socket_group(const struct sense_host *host, const int *fds, unsigned count,
                                      bool defragment, sense_error *err)
{
	const uint32_t type = PACKET_FANOUT_CBPF | (defragment ? PACKET_FANOUT_FLAG_DEFRAG : 0);
	uint32_t group = (type | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	socklen_t size = sizeof group;
	if (option_set(fds[0], PACKET_FANOUT, group) ||
	    getsockopt(fds[0], SOL_PACKET, PACKET_FANOUT, &group, &size))
		return refused(host, "cannot spread packets over rings (PACKET_FANOUT)", err);
	for (unsigned i = 1; i < count; i++)
		if (option_set(fds[i], PACKET_FANOUT, type << 16 | (group & 0xffff)))
			return refused(host, "cannot spread packets over rings (PACKET_FANOUT)", err);
	return SENSE_OK;
}

enum sense_status packet_socket_spread(const struct sense_host *host, int fd, struct sock_filter *code,
                                       unsigned count, sense_error *err)
{
	struct sock_fprog program = {.len = (unsigned short)count, .filter = code};
	if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof program))
		return refused(host, "cannot spread packets over rings (PACKET_FANOUT_DATA)", err);
	return SENSE_OK;
}

enum sense_status packet_socket_filter(const struct sense_host *host, int fd, struct sock_filter *code,
                                       unsigned count, sense_error *err)
{
	struct sock_fprog program = {.len = (unsigned short)count, .filter = code};
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program))
		return refused(host, "the kernel does not take the packet filter", err);
	return SENSE_OK;
}

enum sense_status packet_socket_count(const struct sense_host *host, int fd, struct sense_live_stats *stats,
                                      sense_error *err)
{
	struct tpacket_stats_v3 since = {0};
	socklen_t size = sizeof since;
	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &since, &size))
		return refused(host, "cannot read what was dropped", err);
	stats->received += since.tp_packets;
	stats->dropped += since.tp_drops;
	return SENSE_OK;
}

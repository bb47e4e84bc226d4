#include "message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static void address_put(uint8_t *out, const __be32 *address, bool ip4)
{
	if (!ip4) {
		memcpy(out, address, 16);
		return;
	}
	memcpy(out, mapped, sizeof mapped);
	memcpy(out + sizeof mapped, address, 4);
}

static enum message socket_read(const uint8_t *payload, size_t len, struct diag_socket *out)
{
	struct inet_diag_msg in;
	if (len < sizeof in)
		return MESSAGE_OTHER;
	memcpy(&in, payload, sizeof in);
	if (in.idiag_family != AF_INET && in.idiag_family != AF_INET6)
		return MESSAGE_OTHER;
	bool ip4 = in.idiag_family == AF_INET;
	address_put(out->local, in.id.idiag_src, ip4);
	address_put(out->remote, in.id.idiag_dst, ip4);
	out->local_port = ntohs(in.id.idiag_sport);
	out->remote_port = ntohs(in.id.idiag_dport);
	out->cookie = (uint64_t)in.id.idiag_cookie[1] << 32 | in.id.idiag_cookie[0];
	out->inode = in.idiag_inode;
	out->uid = in.idiag_uid;
	out->state = in.idiag_state;
	return MESSAGE_SOCKET;
}

static enum message error_read(const uint8_t *payload, size_t len, int *error)
{
	int code;
	if (len < sizeof code)
		return MESSAGE_OTHER;
	memcpy(&code, payload, sizeof code);
	*error = code < 0 && code > -4096 ? -code : EPROTO;
	return code ? MESSAGE_ERROR : MESSAGE_OTHER; /* 0: an acknowledgement */
}

enum message message_next(const uint8_t *data, size_t len, size_t *at, uint32_t sequence,
                          struct diag_socket *out, int *error)
{
	struct nlmsghdr header;
	if (*at > len || len - *at < sizeof header)
		return MESSAGE_END;
	memcpy(&header, data + *at, sizeof header);
	if (header.nlmsg_len < sizeof header || header.nlmsg_len > len - *at)
		return MESSAGE_END;
	const uint8_t *payload = data + *at + NLMSG_HDRLEN;
	size_t payload_len = header.nlmsg_len - NLMSG_HDRLEN, step = NLMSG_ALIGN((size_t)header.nlmsg_len);
	*at = step < len - *at ? *at + step : len;
	if (header.nlmsg_seq != sequence)
		return MESSAGE_OTHER;
	switch (header.nlmsg_type) {
	case NLMSG_DONE:
		return MESSAGE_DONE;
	case NLMSG_ERROR:
		return error_read(payload, payload_len, error);
	case SOCK_DIAG_BY_FAMILY:
		return socket_read(payload, payload_len, out);
	default:
		return MESSAGE_OTHER;
	}
}

bool address_is_ip4(const uint8_t *address)
{
	return !memcmp(address, mapped, sizeof mapped);
}

bool address_is_any(const uint8_t *address)
{
	static const uint8_t zero[16];
	return !memcmp(address, zero, 16) ||
	       (address_is_ip4(address) && !memcmp(address + sizeof mapped, zero, 4));
}

bool address_is_loopback(const uint8_t *address)
{
	static const uint8_t loopback[16] = {[15] = 1};
	return !memcmp(address, loopback, 16) || (address_is_ip4(address) && address[12] == 127);
}

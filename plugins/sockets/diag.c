#include "diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAM_MAX = 32768 };

int diag_init(struct diag *diag)
{
	*diag = (struct diag){
	    .fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG)};
	return diag->fd < 0 ? -1 : 0;
}

void diag_fini(struct diag *diag)
{
	if (diag->fd >= 0)
		close(diag->fd);
	diag->fd = -1;
}

int diag_ask(struct diag *diag, const struct diag_request *request)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} message = {
	    .header = {.nlmsg_len = sizeof message,
	               .nlmsg_type = SOCK_DIAG_BY_FAMILY,
	               .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
	               .nlmsg_seq = ++diag->sequence},
	    .body = {.sdiag_family = request->family,
	             .sdiag_protocol = request->l4,
	             .idiag_states = request->states},
	};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	diag->l4 = request->l4;
	return sendto(diag->fd, &message, sizeof message, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0
	         ? -1
	         : 0;
}

enum diag_result diag_take(struct diag *diag, void (*each)(void *self, const struct diag_socket *socket),
                           void *self)
{
	uint8_t data[DATAGRAM_MAX] __attribute__((aligned(8)));
	struct sockaddr_nl from = {.nl_family = AF_UNSPEC};
	socklen_t from_len = sizeof from;
	ssize_t len = recvfrom(diag->fd, data, sizeof data, 0, (struct sockaddr *)&from, &from_len);
	if (len < 0)
		return errno == EINTR ? DIAG_MORE : DIAG_FAILED;
	if (from.nl_pid != 0)
		return DIAG_MORE; /* another process's, not the kernel's */
	struct diag_socket found = {.l4 = diag->l4};
	size_t at = 0;
	for (;;) {
		int error = 0;
		switch (message_next(data, (size_t)len, &at, diag->sequence, &found, &error)) {
		case MESSAGE_SOCKET:
			each(self, &found);
			break;
		case MESSAGE_OTHER:
			break;
		case MESSAGE_DONE:
			return DIAG_DONE;
		case MESSAGE_ERROR:
			errno = error;
			return DIAG_FAILED;
		case MESSAGE_END:
			return DIAG_MORE;
		}
	}
}

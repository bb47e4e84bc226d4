/*
 * The kernel's tables of TCP and UDP sockets of this network namespace, asked for by NETLINK_SOCK_DIAG
 * (sock_diag(7)). One request at a time; an answer is taken in pieces and never waited for.
 */
#ifndef SOCKETS_DIAG_H
#define SOCKETS_DIAG_H

#include "core/sense_plugin.h"
#include "message.h"

struct diag {
	int fd;
	uint32_t sequence;
	uint8_t l4; /* of the request */
};

struct diag_request {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t l4;
	uint32_t states; /* bits 1 << TCP_STATE_... */
};

enum diag_result { DIAG_MORE, DIAG_DONE, DIAG_FAILED /* errno says why */ };

/* -1 and errno on failure. */
int diag_init(struct diag *diag);
void diag_fini(struct diag *diag);

int diag_ask(struct diag *diag, const struct diag_request *request);
/* One datagram of the answer, 32 kB at most. */
enum diag_result diag_take(struct diag *diag, void (*each)(void *self, const struct diag_socket *socket),
                           void *self);

#endif

/*
 * Answers of the kernel's socket tables: inet_diag messages of NETLINK_SOCK_DIAG, sock_diag(7).
 * Nothing is kept, nothing is allocated; every length is checked before it is used.
 */
#ifndef SOCKETS_MESSAGE_H
#define SOCKETS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { L4_TCP = 6, L4_UDP = 17 };
enum { TCP_STATE_ESTABLISHED = 1, TCP_STATE_TIME_WAIT = 6, TCP_STATE_CLOSE = 7, TCP_STATE_LISTEN = 10 };

/* Addresses as in sense_fact; an IPv4 socket's 'any' is 0.0.0.0 mapped. Ports in host byte order. */
struct diag_socket {
	uint64_t cookie; /* of this socket alone, while the system runs */
	uint32_t inode;  /* 0: no process holds it */
	uint32_t uid;
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint8_t l4;
	uint8_t state;
};

enum message {
	MESSAGE_SOCKET,
	MESSAGE_OTHER, /* of no interest */
	MESSAGE_DONE,  /* the table is complete */
	MESSAGE_ERROR, /* *error: errno of the kernel */
	MESSAGE_END    /* nothing more in data, or what is left is not whole */
};

/*
 * The message at *at, behind which *at is moved. Answers to another request than `sequence` are
 * MESSAGE_OTHER. out->l4 is left alone: messages do not tell it.
 */
enum message message_next(const uint8_t *data, size_t len, size_t *at, uint32_t sequence,
                          struct diag_socket *out, int *error);

bool address_is_any(const uint8_t *address); /* ::, or 0.0.0.0 mapped */
bool address_is_loopback(const uint8_t *address);
bool address_is_ip4(const uint8_t *address);

#endif

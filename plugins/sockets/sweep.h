/*
 * Sweeps over the kernel's socket tables: what is there is told (host->socket_of), programs that listen go
 * to the listeners. The complement of the eBPF programs, for what was there before them, and what there is
 * in place of them where they cannot be had.
 *
 * A sweep goes on in pieces: tables first, then /proc for the sockets whose holders are not known.
 */
#ifndef SOCKETS_SWEEP_H
#define SOCKETS_SWEEP_H

#include "core/sense_plugin.h"
#include "ebpf.h"
#include "listeners.h"

enum sweep_class {
	SWEEP_LISTENERS = 1, /* TCP that listens */
	SWEEP_SOCKETS = 2,   /* TCP that is connected */
	SWEEP_UDP = 4,
	SWEEP_ALL = 7
};

typedef struct sweep sweep;

struct sweep_stats {
	uint64_t attributed; /* address pairs told by sweeps */
	uint64_t unresolved; /* sockets given up */
	uint64_t lost;       /* sockets for which there was no room */
	uint64_t cost_us;    /* CPU time of the latest complete sweep */
};

/*
 * NULL and *error (errno) on failure. programs may be NULL; they, and the listeners that are told, belong to
 * the caller.
 */
sweep *sweep_new(const struct sense_host *host, ebpf *programs, listeners *told, int *error);
void sweep_free(sweep *self);

bool sweep_running(const sweep *self);
void sweep_begin(sweep *self, unsigned classes);
/* Goes on for `budget_us` or so. SENSE_OK, or the tables cannot be read; then it has ended as well. */
enum sense_status sweep_piece(sweep *self, uint64_t budget_us, sense_error *err);
/* Who holds the socket, by the latest sweep that saw it. */
bool sweep_holder(const sweep *self, uint64_t cookie, struct holder *out);
struct sweep_stats sweep_stats(const sweep *self);

#endif

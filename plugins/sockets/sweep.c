#include "sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "diag.h"
#include "known.h"

enum {
	PENDING_MAX = HOLDERS_WANTED_MAX,
	TRIES_MAX = 5,      /* then a socket that no process holds is given up, unless it listens */
	PORT_FIRST = 32768, /* of those that the system gives to clients, should it not say */
	PORT_LAST = 60999
};

#define RETRY_US UINT64_C(50000) /* doubled with each try */
#define RETRY_MAX 9              /* doublings: 26 s */

static const struct {
	struct diag_request request;
	uint8_t class;
} tables[] = {
    {{AF_INET, L4_TCP, 1 << TCP_STATE_LISTEN}, SWEEP_LISTENERS},
    {{AF_INET6, L4_TCP, 1 << TCP_STATE_LISTEN}, SWEEP_LISTENERS},
    {{AF_INET, L4_UDP, ~0u}, SWEEP_UDP},
    {{AF_INET6, L4_UDP, ~0u}, SWEEP_UDP},
    /* Not those that are over, nor those not yet accepted: no process holds them. */
    {{AF_INET, L4_TCP, 0xfff & ~(1 << TCP_STATE_LISTEN | 1 << TCP_STATE_TIME_WAIT | 1 << TCP_STATE_CLOSE)},
     SWEEP_SOCKETS},
    {{AF_INET6, L4_TCP, 0xfff & ~(1 << TCP_STATE_LISTEN | 1 << TCP_STATE_TIME_WAIT | 1 << TCP_STATE_CLOSE)},
     SWEEP_SOCKETS},
};

enum { TABLES = sizeof tables / sizeof *tables };

enum phase { PHASE_IDLE, PHASE_TABLES, PHASE_LISTENERS, PHASE_SOCKETS };

/* Sockets whose holders are looked for: in [0] those that listen, in [1] the others. */
struct pending {
	struct diag_socket *list;
	unsigned count;
};

struct sweep {
	const struct sense_host *host;
	ebpf *programs;
	listeners *listeners;
	struct diag diag;
	holders *holders;
	struct known known;
	struct pending pending[2];
	enum phase phase;
	unsigned classes, table;
	bool asked;
	uint16_t generation;
	uint16_t client_first, client_last; /* ports given to clients */
	uint64_t now, cost_us;
	struct sweep_stats stats;
};

/* ---- life ------------------------------------------------------------------------------------ */

static void ports_read(sweep *self)
{
	char line[64] = "", *end;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	self->client_first = PORT_FIRST;
	self->client_last = PORT_LAST;
	if (!file)
		return;
	if (fgets(line, sizeof line, file)) {
		unsigned long first = strtoul(line, &end, 10), last = strtoul(end, NULL, 10);
		if (first && first <= last && last <= UINT16_MAX) {
			self->client_first = (uint16_t)first;
			self->client_last = (uint16_t)last;
		}
	}
	fclose(file);
}

sweep *sweep_new(const struct sense_host *host, ebpf *programs, listeners *told, int *error)
{
	*error = ENOMEM;
	sweep *self = calloc(1, sizeof *self);
	if (!self)
		return NULL;
	self->host = host;
	self->programs = programs;
	self->listeners = told;
	self->diag.fd = -1;
	self->holders = holders_new(host);
	self->pending[0].list = malloc(PENDING_MAX * sizeof(struct diag_socket));
	self->pending[1].list = malloc(PENDING_MAX * sizeof(struct diag_socket));
	if (self->holders && self->pending[0].list && self->pending[1].list) {
		*error = diag_init(&self->diag) ? errno : 0;
		ports_read(self);
	}
	if (!*error)
		return self;
	sweep_free(self);
	return NULL;
}

void sweep_free(sweep *self)
{
	if (!self)
		return;
	diag_fini(&self->diag);
	holders_free(self->holders);
	known_fini(&self->known);
	free(self->pending[0].list);
	free(self->pending[1].list);
	free(self);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static bool listens(const sweep *self, const struct diag_socket *socket)
{
	if (socket->l4 == L4_TCP)
		return socket->state == TCP_STATE_LISTEN;
	return !socket->remote_port && socket->local_port &&
	       (socket->local_port < self->client_first || socket->local_port > self->client_last);
}

/* Of what is told: the address pair and whose it is. */
static uint32_t pair_hash(const struct diag_socket *socket, uint32_t pid)
{
	uint32_t hash = 2166136261u ^ pid * 2654435761u;
	hash ^= socket->local_port ^ (uint32_t)socket->remote_port << 16;
	for (unsigned i = 0; i < 16; i++)
		hash = ((hash ^ socket->local[i]) * 16777619u ^ socket->remote[i]) * 16777619u;
	return hash | 1;
}

/* The programs say it from now on, as found out here. */
static void hand_over(sweep *self, const struct diag_socket *socket, const struct holder *holder)
{
	struct record_owner owner = {0};
	struct sense_process_known process = {.size = sizeof process};
	if (!self->programs)
		return;
	bool same = ebpf_owner(self->programs, socket->cookie, &owner) && owner.tgid == holder->pid;
	if (same)
		return;
	owner = (struct record_owner){.tgid = holder->pid, .uid = socket->uid};
	if (self->host->process_find(holder->pid, &process)) {
		owner.flags = RECORD_MAIN_THREAD;
		snprintf(owner.comm, sizeof owner.comm, "%s", process.name ? process.name : "");
	}
	ebpf_owner_set(self->programs, socket->cookie, &owner);
}

static void tell(sweep *self, struct known_socket *entry, const struct diag_socket *socket)
{
	uint32_t pair = pair_hash(socket, entry->holder.pid);
	if (listens(self, socket))
		listeners_seen(self->listeners, socket, &entry->holder);
	if (entry->told == pair || !socket->local_port)
		return;
	entry->told = pair;
	hand_over(self, socket, &entry->holder);
	struct sense_socket out = {.size = sizeof out,
	                           .pid = entry->holder.pid,
	                           .l4 = socket->l4,
	                           .local_port = socket->local_port,
	                           .remote_port = socket->remote_port,
	                           .uid = socket->uid};
	if (!address_is_any(socket->local))
		memcpy(out.local, socket->local, 16);
	if (!address_is_any(socket->remote))
		memcpy(out.remote, socket->remote, 16);
	self->host->socket_of(&out);
	self->stats.attributed++;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static bool runs(const sweep *self, const struct holder *holder)
{
	struct sense_process_known process = {.size = sizeof process};
	return self->host->process_find(holder->pid, &process) && !process.exit_us &&
	       (!holder->start_us || process.start_us == holder->start_us);
}

static void look_for(sweep *self, struct known_socket *entry, const struct diag_socket *socket)
{
	struct pending *pending = &self->pending[!listens(self, socket)];
	if (!socket->inode || self->now < entry->retry_us)
		return;
	if (pending->count < PENDING_MAX) /* those that are left are for the next sweep */
		pending->list[pending->count++] = *socket;
}

/* What the programs noted will do, but for listeners: they outlive the process that began them. */
static bool noted(sweep *self, struct known_socket *entry, const struct diag_socket *socket)
{
	struct record_owner owner;
	if (!self->programs || listens(self, socket) || !ebpf_owner(self->programs, socket->cookie, &owner) ||
	    !owner.tgid)
		return false;
	struct sense_process_known process = {.size = sizeof process};
	bool found = self->host->process_find(owner.tgid, &process) && !process.exit_us;
	if (found)
		entry->holder = (struct holder){owner.tgid, process.start_us};
	return found;
}

static void socket_take(void *context, const struct diag_socket *socket)
{
	sweep *self = context;
	struct known_socket *entry = known_add(&self->known, socket->cookie);
	if (!entry) {
		self->stats.lost++;
		return;
	}
	entry->generation = self->generation;
	entry->class = tables[self->table].class;
	if (entry->holder.pid && listens(self, socket) && !runs(self, &entry->holder))
		entry->holder = (struct holder){0};
	if (entry->holder.pid || noted(self, entry, socket))
		tell(self, entry, socket);
	else
		look_for(self, entry, socket);
}

static enum sense_status tables_fail(sweep *self, int error, sense_error *err)
{
	/* The rest of an answer would be in the way of the next. */
	diag_fini(&self->diag);
	(void)diag_init(&self->diag);
	self->phase = PHASE_IDLE;
	return self->host->fail(err, SENSE_E_IO, "sockets", "socket tables (sock_diag): %s", strerror(error));
}

static enum sense_status tables_read(sweep *self, uint64_t until_us, sense_error *err)
{
	while (self->table < TABLES && now_us() < until_us) {
		if (!(tables[self->table].class & self->classes)) {
			self->table++;
			continue;
		}
		enum diag_result result = DIAG_MORE;
		if (!self->asked && diag_ask(&self->diag, &tables[self->table].request))
			result = DIAG_FAILED;
		self->asked = true;
		if (result == DIAG_MORE)
			result = diag_take(&self->diag, socket_take, self);
		if (result == DIAG_FAILED && errno == EAGAIN)
			return SENSE_OK;
		bool ip6 = tables[self->table].request.family == AF_INET6;
		if (result == DIAG_FAILED && errno == ENOENT && ip6)
			result = DIAG_DONE; /* a system without IPv6 */
		if (result == DIAG_FAILED)
			return tables_fail(self, errno, err);
		if (result == DIAG_DONE) {
			self->asked = false;
			self->table++;
		}
	}
	if (self->table == TABLES)
		self->phase = PHASE_LISTENERS;
	return SENSE_OK;
}

/* ---- holders --------------------------------------------------------------------------------- */

static void not_found(sweep *self, struct known_socket *entry, bool listener)
{
	entry->retry_us = self->now + (RETRY_US << (entry->tries < RETRY_MAX ? entry->tries : RETRY_MAX));
	entry->tries += entry->tries < UINT8_MAX;
	if (entry->tries == TRIES_MAX)
		self->stats.unresolved++;
	if (entry->tries >= TRIES_MAX && !listener)
		entry->retry_us = UINT64_MAX;
}

static bool pending_read(sweep *self, bool listener, uint64_t until_us)
{
	struct pending *pending = &self->pending[!listener];
	if (!holders_wanted(self->holders))
		for (unsigned i = 0; i < pending->count; i++)
			(void)holders_want(self->holders, pending->list[i].inode, pending->list[i].uid);
	if (!holders_scan(self->holders, listener, until_us))
		return false;
	for (unsigned i = 0; i < pending->count; i++) {
		const struct diag_socket *socket = &pending->list[i];
		struct known_socket *entry = known_find(&self->known, socket->cookie);
		if (!entry)
			continue;
		if (holders_find(self->holders, socket->inode, &entry->holder))
			tell(self, entry, socket);
		else
			not_found(self, entry, listener);
	}
	pending->count = 0;
	holders_forget(self->holders);
	return true;
}

static void end(sweep *self)
{
	self->phase = PHASE_IDLE;
	known_purge(&self->known, (uint8_t)self->classes, self->generation);
	/* UDP and TCP that listen are swept together, or what was not looked at would be forgotten. */
	if (self->classes & SWEEP_LISTENERS)
		listeners_sweep_end(self->listeners);
	self->stats.cost_us = self->cost_us;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

bool sweep_running(const sweep *self)
{
	return self->phase != PHASE_IDLE;
}

void sweep_begin(sweep *self, unsigned classes)
{
	if (classes & SWEEP_LISTENERS) {
		classes |= SWEEP_UDP;
		listeners_sweep_begin(self->listeners);
	}
	self->phase = PHASE_TABLES;
	self->classes = classes;
	self->table = 0;
	self->asked = false;
	self->generation++;
	self->now = now_us();
	self->cost_us = 0;
	self->pending[0].count = self->pending[1].count = 0;
	holders_forget(self->holders);
}

static uint64_t cpu_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

enum sense_status sweep_piece(sweep *self, uint64_t budget_us, sense_error *err)
{
	uint64_t until_us = now_us() + budget_us, cpu = cpu_us();
	enum sense_status status = SENSE_OK;
	if (self->phase == PHASE_TABLES)
		status = tables_read(self, until_us, err);
	if (self->phase == PHASE_LISTENERS && pending_read(self, true, until_us))
		self->phase = PHASE_SOCKETS;
	bool ended = self->phase == PHASE_SOCKETS && pending_read(self, false, until_us);
	self->cost_us += cpu_us() - cpu;
	if (ended)
		end(self);
	return status;
}

bool sweep_holder(const sweep *self, uint64_t cookie, struct holder *out)
{
	const struct known_socket *entry = known_find(&self->known, cookie);
	if (!entry || !entry->holder.pid)
		return false;
	*out = entry->holder;
	return true;
}

struct sweep_stats sweep_stats(const sweep *self)
{
	return self->stats;
}

#include "listeners.h"

#include <stdlib.h>
#include <string.h>

struct listener {
	struct holder holder;
	uint8_t address[16];
	uint16_t port;
	uint8_t l4;
	bool told, seen;
};

struct listeners {
	const struct sense_host *host;
	probes *asks;
	unsigned count, untold;
	uint64_t lost;
	struct listener list[LISTENERS_MAX];
};

listeners *listeners_new(const struct sense_host *host, probes *asks)
{
	listeners *self = calloc(1, sizeof *self);
	if (!self)
		return NULL;
	self->host = host;
	self->asks = asks;
	return self;
}

void listeners_free(listeners *self)
{
	free(self);
}

void listeners_sweep_begin(listeners *self)
{
	for (unsigned i = 0; i < self->count; i++)
		self->list[i].seen = false;
}

void listeners_seen(listeners *self, const struct diag_socket *socket, const struct holder *holder)
{
	for (unsigned i = 0; i < self->count; i++) {
		struct listener *listener = &self->list[i];
		if (listener->port != socket->local_port || listener->l4 != socket->l4 ||
		    listener->holder.pid != holder->pid || listener->holder.start_us != holder->start_us ||
		    memcmp(listener->address, socket->local, 16) != 0)
			continue;
		listener->seen = true;
		return;
	}
	if (self->count == LISTENERS_MAX) {
		self->lost++;
		return;
	}
	struct listener *listener = &self->list[self->count++];
	*listener =
	    (struct listener){.holder = *holder, .port = socket->local_port, .l4 = socket->l4, .seen = true};
	memcpy(listener->address, socket->local, 16);
	self->untold++;
}

void listeners_sweep_end(listeners *self)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < self->count; i++) {
		if (self->list[i].seen)
			self->list[kept++] = self->list[i];
		else
			self->untold -= !self->list[i].told;
	}
	self->count = kept;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* listen.scope is for the host to add: it knows what kinds of addresses there are. */
static void tell(const listeners *self, const struct listener *listener, const char *speaks)
{
	struct sense_fact facts[4] = {
	    {.field = "listen.ip", .type = SENSE_FACT_ADDRESS},
	    {.field = "listen.port", .type = SENSE_FACT_NUMBER, .number = listener->port},
	    {.field = "listen.l4", .type = SENSE_FACT_NUMBER, .number = listener->l4},
	    {.field = "listen.speaks", .type = SENSE_FACT_TEXT, .text = speaks},
	};
	memcpy(facts[0].address, listener->address, 16);
	self->host->tell("listen", listener->holder.pid, facts, speaks ? 4 : 3);
}

bool listeners_tell(listeners *self)
{
	bool waits = false;
	for (unsigned i = 0; i < self->count && self->untold; i++) {
		struct listener *listener = &self->list[i];
		const char *speaks = NULL;
		if (listener->told)
			continue;
		if (self->asks && listener->l4 == L4_TCP &&
		    !probes_ask(self->asks, &listener->holder, listener->address, listener->port, &speaks)) {
			waits = true;
			continue;
		}
		tell(self, listener, speaks);
		listener->told = true;
		self->untold--;
	}
	return waits;
}

unsigned listeners_count(const listeners *self)
{
	return self->count;
}

uint64_t listeners_lost(const listeners *self)
{
	return self->lost;
}

#include "probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "message.h"

enum { READS_MAX = 64 }; /* an answer in smaller crumbs is none */

#define MINUTE_US UINT64_C(60000000)

enum target_state { TARGET_WAITS, TARGET_ASKED, TARGET_DONE };

struct target {
	struct holder holder;
	struct in6_addr address; /* of loopback; IPv4 mapped */
	uint16_t port;
	uint8_t state;
	uint8_t question;
	const char *speaks;
};

struct slot {
	int fd; /* -1: free */
	unsigned target;
	uint64_t deadline_us;
	bool sent;
	unsigned reads;
	size_t len;
	char *data; /* ANSWER_MAX */
};

struct probes {
	const struct sense_host *host;
	int epoll;
	uint64_t tag;
	struct slot slots[PROBES_SLOTS];
	struct target *targets;
	unsigned target_count, waiting;
	uint64_t minute_us, made;
	unsigned in_minute;
};

probes *probes_new(const struct sense_host *host, int epoll, uint64_t tag)
{
	probes *self = calloc(1, sizeof *self);
	if (!self)
		return NULL;
	self->host = host;
	self->epoll = epoll;
	self->tag = tag;
	self->targets = calloc(PROBES_TARGETS_MAX, sizeof *self->targets);
	bool good = self->targets;
	for (unsigned i = 0; i < PROBES_SLOTS; i++) {
		self->slots[i].fd = -1;
		self->slots[i].data = malloc(ANSWER_MAX);
		good = good && self->slots[i].data;
	}
	if (good)
		return self;
	probes_free(self);
	return NULL;
}

void probes_free(probes *self)
{
	if (!self)
		return;
	for (unsigned i = 0; i < PROBES_SLOTS; i++) {
		if (self->slots[i].fd >= 0)
			close(self->slots[i].fd);
		free(self->slots[i].data);
	}
	free(self->targets);
	free(self);
}

/* ---- one question ---------------------------------------------------------------------------- */

static struct slot *slot_free(probes *self)
{
	for (unsigned i = 0; i < PROBES_SLOTS; i++)
		if (self->slots[i].fd < 0)
			return &self->slots[i];
	return NULL;
}

static bool is_ip4(const struct target *target)
{
	return IN6_IS_ADDR_V4MAPPED(&target->address);
}

static int connect_to(const struct target *target)
{
	struct sockaddr_in6 ip6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(target->port), .sin6_addr = target->address};
	struct sockaddr_in ip4 = {.sin_family = AF_INET,
	                          .sin_port = htons(target->port),
	                          .sin_addr.s_addr = target->address.s6_addr32[3]};
	int fd = socket(is_ip4(target) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	int failed = is_ip4(target) ? connect(fd, (struct sockaddr *)&ip4, sizeof ip4)
	                            : connect(fd, (struct sockaddr *)&ip6, sizeof ip6);
	if (!failed || errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static bool ask(probes *self, struct slot *slot, unsigned index)
{
	struct target *target = &self->targets[index];
	int fd = connect_to(target);
	if (fd < 0)
		return false;
	struct epoll_event event = {.events = EPOLLOUT,
	                            .data.u64 = self->tag + (uint64_t)(slot - self->slots)};
	if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		return false;
	}
	slot->fd = fd;
	slot->target = index;
	slot->deadline_us = now_us() + PROBES_TIMEOUT_US;
	slot->sent = false;
	slot->reads = 0;
	slot->len = 0;
	self->made++;
	self->in_minute++;
	target->state = TARGET_ASKED;
	return true;
}

static void settle(struct target *target, const char *speaks)
{
	target->state = TARGET_DONE;
	target->speaks = speaks;
}

/* What does not speak HTTP, or is silent, is left alone. */
static void slot_end(probes *self, struct slot *slot, enum answer answer, bool go_on)
{
	struct target *target = &self->targets[slot->target];
	close(slot->fd);
	slot->fd = -1;
	if (answer == ANSWER_YES) {
		settle(target, question_proves(target->question));
	} else if (go_on && target->question + 1 < QUESTION_COUNT) {
		target->question++;
		target->state = TARGET_WAITS;
		self->waiting++;
	} else {
		settle(target, NULL);
	}
}

static bool question_send(probes *self, struct slot *slot)
{
	const struct target *target = &self->targets[slot->target];
	char text[QUESTION_TEXT_MAX];
	size_t len = question_write(target->question, !is_ip4(target), target->port, text, sizeof text);
	struct epoll_event event = {.events = EPOLLIN,
	                            .data.u64 = self->tag + (uint64_t)(slot - self->slots)};
	slot->sent = true;
	return len && send(slot->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len &&
	       !epoll_ctl(self->epoll, EPOLL_CTL_MOD, slot->fd, &event);
}

void probes_ready(probes *self, unsigned index)
{
	struct slot *slot = index < PROBES_SLOTS ? &self->slots[index] : NULL;
	if (!slot || slot->fd < 0)
		return;
	if (!slot->sent) {
		if (!question_send(self, slot))
			slot_end(self, slot, ANSWER_NO, false);
		return;
	}
	ssize_t got = recv(slot->fd, slot->data + slot->len, ANSWER_MAX - slot->len, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	slot->len += got > 0 ? (size_t)got : 0;
	enum question question = self->targets[slot->target].question;
	enum answer answer = answer_read(question, slot->data, slot->len, got <= 0);
	if (answer == ANSWER_MORE && ++slot->reads < READS_MAX)
		return;
	slot_end(self, slot, answer, slot->len >= 7 && !memcmp(slot->data, "HTTP/1.", 7));
}

/* ---- whose turn it is ------------------------------------------------------------------------ */

static bool minute_allows(probes *self, uint64_t now)
{
	if (now - self->minute_us >= MINUTE_US) {
		self->minute_us = now;
		self->in_minute = 0;
	}
	return self->in_minute < PROBES_PER_MINUTE;
}

static void begin_next(probes *self, uint64_t now)
{
	for (unsigned i = 0; i < self->target_count && self->waiting; i++) {
		struct target *target = &self->targets[i];
		if (target->state != TARGET_WAITS)
			continue;
		struct slot *slot = slot_free(self);
		if (!slot || !minute_allows(self, now))
			return;
		self->waiting--;
		if (!ask(self, slot, i))
			settle(target, NULL);
	}
}

void probes_tick(probes *self)
{
	uint64_t now = now_us();
	for (unsigned i = 0; i < PROBES_SLOTS; i++)
		if (self->slots[i].fd >= 0 && now >= self->slots[i].deadline_us)
			slot_end(self, &self->slots[i], ANSWER_NO, false);
	begin_next(self, now);
}

uint64_t probes_due(const probes *self)
{
	uint64_t due = UINT64_MAX;
	unsigned busy = 0;
	for (unsigned i = 0; i < PROBES_SLOTS; i++) {
		const struct slot *slot = &self->slots[i];
		busy += slot->fd >= 0;
		if (slot->fd >= 0 && slot->deadline_us < due)
			due = slot->deadline_us;
	}
	if (!self->waiting || busy == PROBES_SLOTS)
		return due;
	uint64_t allowed = self->in_minute < PROBES_PER_MINUTE ? 0 : self->minute_us + MINUTE_US;
	return allowed < due ? allowed : due;
}

uint64_t probes_made(const probes *self)
{
	return self->made;
}

/* Those of processes that ended make room. Slots hold indices, so nothing moves while one is in use. */
static void targets_prune(probes *self)
{
	for (unsigned i = 0; i < PROBES_SLOTS; i++)
		if (self->slots[i].fd >= 0)
			return;
	unsigned kept = 0;
	for (unsigned i = 0; i < self->target_count; i++) {
		struct sense_process_known process = {.size = sizeof process};
		const struct target *target = &self->targets[i];
		bool runs = self->host->process_find(target->holder.pid, &process) && !process.exit_us &&
		            process.start_us == target->holder.start_us;
		if (runs || target->state != TARGET_DONE)
			self->targets[kept++] = *target;
	}
	self->target_count = kept;
}

/* Where a program that listens on this address is reached without leaving the host. */
static bool reach(const uint8_t *listens_on, struct in6_addr *out)
{
	memcpy(out, listens_on, sizeof *out);
	if (address_is_any(listens_on)) {
		if (address_is_ip4(listens_on))
			out->s6_addr32[3] = htonl(INADDR_LOOPBACK);
		else
			*out = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	}
	return address_is_loopback(out->s6_addr);
}

bool probes_ask(probes *self, const struct holder *holder, const uint8_t *listens_on, uint16_t port,
                const char **speaks)
{
	struct target made = {.holder = *holder, .port = port};
	*speaks = NULL;
	if (!reach(listens_on, &made.address))
		return true;
	for (unsigned i = 0; i < self->target_count; i++) {
		const struct target *target = &self->targets[i];
		if (target->holder.pid != holder->pid || target->holder.start_us != holder->start_us ||
		    target->port != port)
			continue;
		*speaks = target->speaks;
		return target->state == TARGET_DONE;
	}
	if (self->target_count == PROBES_TARGETS_MAX)
		targets_prune(self);
	if (self->target_count == PROBES_TARGETS_MAX)
		return true; /* told without an answer */
	self->targets[self->target_count++] = made;
	self->waiting++;
	return false;
}

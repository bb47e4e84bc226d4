#include "core/host/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/host/outbox.h"
#include "core/platform/platform.h"
#include "core/proc/child.h"

#define REST_MS 250u        /* before a process that died is followed by another; doubles each time */
#define REST_MAX_MS 60000u
#define STEADY_MS 60000u    /* a process that lived so long pays for no earlier one */
#define HANGS_MS 60000u     /* without a beat */
#define BUFFER_BYTES (1 << 20) /* of the socket to the worker */

struct sense_keeper {
	struct sense_sensors_config config;
	struct sense_board board;
	struct sense_host_link link;
	struct sense_outbox outbox; /* the sensor process's end: a message is a message, whoever sends it */
	pid_t pid;
	int life;               /* this end; the other is the process's: at its end it is gone */
	bool wanted;
	unsigned restarts;
	unsigned rest_ms, rest_left_ms, lived_ms, still_ms;
	uint64_t beat;
	struct sense_host_message message;
};

/* ---- the process --------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void child(sense_keeper *keeper, int life)
{
	sense_error err;
	const int keep[] = {life, keeper->config.out};
	keeper->config.life = life;
	if (sense_platform_lookout("sense-host", keep, 2, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		_exit(EXIT_FAILURE);
	}
	_exit(sense_sensors_main(&keeper->config));
}

enum sense_status sense_keeper_start(sense_keeper *keeper, sense_error *err)
{
	int ends[2];
	keeper->wanted = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return sense_fail_errno(err, "host", "cannot make a socket");
	keeper->pid = sense_child_fork();
	if (!keeper->pid)
		child(keeper, ends[1]);
	close(ends[1]);
	if (keeper->pid < 0) {
		keeper->pid = 0;
		close(ends[0]);
		return sense_fail_errno(err, "host", "cannot start the process that looks at this host");
	}
	keeper->life = ends[0];
	keeper->lived_ms = keeper->still_ms = 0;
	return SENSE_OK;
}

static void reap(sense_keeper *keeper, int *status)
{
	kill(keeper->pid, SIGKILL);
	while (waitpid(keeper->pid, status, 0) < 0 && errno == EINTR)
		;
	close(keeper->life);
	keeper->life = -1;
	keeper->pid = 0;
}

/* It has ended, or is to be. A scan's end is no accident. */
static void ended(sense_keeper *keeper, const char *how)
{
	char what[128];
	int status = 0;
	reap(keeper, &status);
	if (WIFEXITED(status) && !WEXITSTATUS(status) && keeper->config.mode == SENSE_SENSOR_ONCE) {
		keeper->wanted = false;
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(what, sizeof what, "%s (signal %d)", how, WTERMSIG(status));
	else
		snprintf(what, sizeof what, "%s (exit code %d)", how, WEXITSTATUS(status));
	keeper->restarts++;
	if (keeper->lived_ms >= STEADY_MS || !keeper->rest_ms)
		keeper->rest_ms = REST_MS;
	else if (keeper->rest_ms < REST_MAX_MS)
		keeper->rest_ms *= 2;
	keeper->rest_left_ms = keeper->rest_ms;
	sense_log(SENSE_LOG_ERROR, "host", "the process that looks at this host %s; another follows in %u ms", what,
	          keeper->rest_ms);
	sense_keeper_gap(keeper, "host", NULL, what, 0);
	if (keeper->config.mode != SENSE_SENSOR_ONCE)
		return;
	/* A scan without it is over. */
	keeper->wanted = false;
	sense_host_message_begin(&keeper->message, SENSE_HOST_END, 0);
	sense_outbox_send(&keeper->outbox, &keeper->message);
}

void sense_keeper_look(sense_keeper *keeper, unsigned elapsed_ms)
{
	sense_error err;
	if (keeper->pid) {
		struct pollfd life = {.fd = keeper->life, .events = POLLIN};
		uint64_t beat = atomic_load_explicit(&sense_board_page(&keeper->board)->beat, memory_order_relaxed);
		keeper->lived_ms += keeper->lived_ms < STEADY_MS ? elapsed_ms : 0;
		keeper->still_ms = beat == keeper->beat ? keeper->still_ms + elapsed_ms : 0;
		keeper->beat = beat;
		if (poll(&life, 1, 0) > 0)
			ended(keeper, "died");
		else if (keeper->still_ms > HANGS_MS)
			ended(keeper, "did nothing for a minute and was killed");
		return;
	}
	if (!keeper->wanted)
		return;
	keeper->rest_left_ms -= keeper->rest_left_ms < elapsed_ms ? keeper->rest_left_ms : elapsed_ms;
	if (keeper->rest_left_ms || !sense_keeper_start(keeper, &err))
		return;
	sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	keeper->rest_left_ms = REST_MAX_MS;
}

/* ---- what others call ---------------------------------------------------------------------------- */

sense_keeper *sense_keeper_new(const struct sense_sensors_config *config, sense_error *err)
{
	int ends[2];
	sense_keeper *keeper = calloc(1, sizeof *keeper);
	if (!keeper) {
		sense_fail(err, SENSE_E_MEMORY, "host", "no memory");
		return NULL;
	}
	if (sense_board_new(&keeper->board, err)) {
		free(keeper);
		return NULL;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		sense_fail_errno(err, "host", "cannot make a socket");
		sense_board_free(&keeper->board);
		free(keeper);
		return NULL;
	}
	/* As much as the system grants: what does not fit waits in the sender's queue. */
	sense_platform_send_room(ends[0], BUFFER_BYTES);
	(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
	keeper->config = *config;
	keeper->config.board = &keeper->board;
	keeper->config.out = ends[0];
	keeper->outbox.fd = ends[0];
	keeper->link = (struct sense_host_link){.fd = ends[1], .board = &keeper->board};
	keeper->life = -1;
	return keeper;
}

void sense_keeper_free(sense_keeper *keeper)
{
	int status;
	if (!keeper)
		return;
	if (keeper->pid)
		reap(keeper, &status);
	close(keeper->link.fd);
	close(keeper->config.out);
	sense_outbox_fini(&keeper->outbox);
	sense_board_free(&keeper->board);
	free(keeper);
}

const struct sense_host_link *sense_keeper_link(const sense_keeper *keeper)
{
	return &keeper->link;
}

void sense_keeper_gap(sense_keeper *keeper, const char *what, const char *where, const char *why, double count)
{
	sense_host_message_begin(&keeper->message, SENSE_EVENT_GAP, sense_clock_us());
	sense_host_message_text(&keeper->message, SENSE_FIELD_GAP_WHAT, what);
	sense_host_message_text(&keeper->message, SENSE_FIELD_GAP_WHERE, where);
	sense_host_message_text(&keeper->message, SENSE_FIELD_GAP_WHY, why);
	if (count > 0)
		sense_host_message_number(&keeper->message, SENSE_FIELD_GAP_COUNT, count);
	sense_outbox_send(&keeper->outbox, &keeper->message);
}

bool sense_keeper_sweep(sense_keeper *keeper)
{
	return keeper->pid && send(keeper->life, "s", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

unsigned sense_keeper_restarts(const sense_keeper *keeper)
{
	return keeper->restarts;
}

pid_t sense_keeper_pid(const sense_keeper *keeper)
{
	return keeper->pid;
}

#include "server/store/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"

#define CONNECT_S 10.0
#define PAUSE_S 0.05
#define PAUSE_MAX_S 5.0
#define LAST_READS 16u /* of a connection that has broken */

static void begin(struct sense_link *link);

static void arm(struct sense_link *link, double after)
{
	ev_timer_stop(link->loop, &link->timer);
	ev_timer_set(&link->timer, after, 0.0);
	ev_timer_start(link->loop, &link->timer);
}

static void watch(struct sense_link *link, int events)
{
	int fd = PQsocket(link->conn);

	if (ev_is_active(&link->io) && link->fd == fd &&
	    link->io.events == (events | (link->io.events & EV__IOFDSET)))
		return;
	ev_io_stop(link->loop, &link->io);
	ev_io_set(&link->io, fd, events);
	link->fd = fd;
	ev_io_start(link->loop, &link->io);
}

/* From a twentieth of a second up to five, each between half and one and a half of that. */
static double next_pause(struct sense_link *link)
{
	unsigned step = link->attempts < 8 ? link->attempts : 8;
	double pause = PAUSE_S * (double)(1u << step);

	link->attempts++;
	if (pause > PAUSE_MAX_S)
		pause = PAUSE_MAX_S;
	return pause * (0.5 + (double)arc4random_uniform(1024) / 1024.0);
}

static void drop(struct sense_link *link)
{
	bool was_up = link->up;

	ev_io_stop(link->loop, &link->io);
	ev_timer_stop(link->loop, &link->timer);
	PQfinish(link->conn);
	link->conn = NULL;
	link->up = link->broken = false;
	arm(link, next_pause(link));
	if (was_up)
		link->owner.down(link->owner.self, link->why);
}

static void keep_why(struct sense_link *link)
{
	const char *message = link->conn ? PQerrorMessage(link->conn) : "no memory";
	snprintf(link->why, sizeof(link->why), "%s", *message ? message : "the connection was closed");
	link->why[strcspn(link->why, "\n")] = '\0';
}

static void fail(struct sense_link *link)
{
	keep_why(link);
	if (!link->up && (link->attempts == 2 || link->attempts % 32 == 31))
		sense_log(SENSE_LOG_WARN, "store", "the database cannot be reached (%s); trying on",
		          link->why);
	drop(link);
}

static void connect_on(struct sense_link *link)
{
	switch (PQconnectPoll(link->conn)) {
	case PGRES_POLLING_READING:
		watch(link, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		watch(link, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		break;
	default:
		fail(link);
		return;
	}
	ev_timer_stop(link->loop, &link->timer);
	if (PQsetnonblocking(link->conn, 1)) {
		fail(link);
		return;
	}
	if (link->attempts > 2)
		sense_log(SENSE_LOG_INFO, "store", "the database is there again");
	link->up = true;
	link->attempts = 0;
	watch(link, EV_READ);
	link->owner.up(link->owner.self);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct sense_link *link = io->data;

	(void)loop;
	if (!link->up) {
		connect_on(link);
		return;
	}
	if (events & EV_READ) {
		if (!PQconsumeInput(link->conn)) {
			/* What came before the end is still to be looked at: results, and why it ended. */
			keep_why(link);
			link->broken = true;
		}
		link->owner.ready(link->owner.self);
	}
	if (link->conn && link->up && !link->broken)
		sense_link_flush(link);
	if (link->broken)
		drop(link);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct sense_link *link = timer->data;

	(void)loop, (void)events;
	if (link->broken) {
		/* What it said before is still of use: what it has answered is not 'away'. */
		for (unsigned i = 0; i < LAST_READS && PQconsumeInput(link->conn); i++)
			;
		link->owner.ready(link->owner.self);
		drop(link);
	} else if (!link->conn) {
		begin(link);
	} else if (!link->up) {
		snprintf(link->why, sizeof(link->why), "it does not answer within %.0f s", CONNECT_S);
		drop(link);
	}
}

static void begin(struct sense_link *link)
{
	/* The program's own settings stand before the string's, which may say otherwise. */
	const char *keys[] = {"application_name", "client_encoding", "dbname", NULL};
	const char *values[] = {link->name, "UTF8", link->conninfo, NULL};

	link->conn = PQconnectStartParams(keys, values, 1);
	if (!link->conn || PQstatus(link->conn) == CONNECTION_BAD || PQsocket(link->conn) < 0) {
		fail(link);
		return;
	}
	arm(link, CONNECT_S);
	watch(link, EV_WRITE);
}

void sense_link_init(struct sense_link *link, struct ev_loop *loop, const char *conninfo, const char *name,
                     const struct sense_link_owner *owner)
{
	*link =
	    (struct sense_link){.loop = loop, .conninfo = conninfo, .name = name, .owner = *owner, .fd = -1};
	ev_init(&link->io, on_io);
	ev_init(&link->timer, on_timer);
	link->io.data = link->timer.data = link;
	arm(link, 0.0); /* from the loop: `up` must not come before its owner is ready */
}

void sense_link_fini(struct sense_link *link)
{
	if (!link->loop)
		return;
	ev_io_stop(link->loop, &link->io);
	ev_timer_stop(link->loop, &link->timer);
	PQfinish(link->conn);
	link->conn = NULL;
	link->up = false;
}

void sense_link_flush(struct sense_link *link)
{
	if (!link->up || link->broken)
		return;
	int left = PQflush(link->conn);
	if (left < 0) {
		/* Why may be in what the server said before it hung up, so that is read first. */
		PQconsumeInput(link->conn);
		keep_why(link);
		sense_link_break(link, link->why);
		return;
	}
	watch(link, left ? EV_READ | EV_WRITE : EV_READ);
}

void sense_link_break(struct sense_link *link, const char *why)
{
	if (!link->up || link->broken)
		return;
	if (why != link->why)
		snprintf(link->why, sizeof(link->why), "%s", why);
	link->broken = true;
	ev_io_stop(link->loop, &link->io);
	arm(link, 0.0);
}

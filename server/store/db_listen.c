/* NOTIFY: a connection that only listens. */
#include <stdio.h>
#include <string.h>

#include "server/store/db_internal.h"

static void send_listen(sense_db *db)
{
	char text[SENSE_DB_CHANNELS_MAX * (2 * sizeof(db->channels->name) + 16)];
	size_t len = 0;

	for (unsigned i = 0; i < db->channel_count; i++) {
		char *quoted =
		    PQescapeIdentifier(db->listener.conn, db->channels[i].name, strlen(db->channels[i].name));
		if (quoted)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "LISTEN %s;", quoted);
		PQfreemem(quoted);
	}
	if (len && !PQsendQuery(db->listener.conn, text))
		sense_link_break(&db->listener, PQerrorMessage(db->listener.conn));
	sense_link_flush(&db->listener);
}

static void on_up(void *self)
{
	send_listen(self);
}

/* Once LISTEN is answered nothing is missed any more; what was before, nobody has heard. */
static void after_listen(sense_db *db, bool failed, const char *why)
{
	if (failed) {
		sense_link_break(&db->listener, why);
		return;
	}
	for (unsigned i = 0; i < db->channel_count; i++)
		db->channels[i].heard(db->channels[i].self, db->channels[i].name, "");
}

static void on_ready(void *self)
{
	sense_db *db = self;
	PGconn *pg = db->listener.conn;
	bool answered = false, failed = false;

	while (!PQisBusy(pg)) {
		PGresult *result = PQgetResult(pg);
		if (!result)
			break;
		answered = true;
		failed = failed || PQresultStatus(result) != PGRES_COMMAND_OK;
		PQclear(result);
	}
	if (answered)
		after_listen(db, failed, PQerrorMessage(pg));
	for (PGnotify *notice; !db->listener.broken && (notice = PQnotifies(pg));) {
		for (unsigned i = 0; i < db->channel_count; i++)
			if (!strcmp(db->channels[i].name, notice->relname))
				db->channels[i].heard(db->channels[i].self, notice->relname, notice->extra);
		PQfreemem(notice);
	}
}

static void on_down(void *self, const char *why)
{
	(void)self, (void)why;
}

bool sense_db_listen(sense_db *db, const char *channel, sense_db_heard *heard, void *self)
{
	if (db->channel_count == SENSE_DB_CHANNELS_MAX || strlen(channel) >= sizeof(db->channels->name))
		return false;
	struct sense_db_channel *own = &db->channels[db->channel_count++];
	*own = (struct sense_db_channel){.heard = heard, .self = self};
	snprintf(own->name, sizeof(own->name), "%s", channel);
	if (!db->listens)
		sense_link_init(&db->listener, db->loop, db->conninfo, "sense-server listener",
		                &(struct sense_link_owner){on_up, on_ready, on_down, db});
	else if (db->listener.up)
		sense_link_break(&db->listener, "one more channel"); /* comes up again with all of them */
	db->listens = true;
	return true;
}

void sense_db_listen_fini(sense_db *db)
{
	if (db->listens)
		sense_link_fini(&db->listener);
}

/* What db.c (who asks), db_conn.c (over which connection) and db_listen.c share. */
#ifndef SENSE_SERVER_STORE_DB_INTERNAL_H
#define SENSE_SERVER_STORE_DB_INTERNAL_H

#include "proto/uuid.h"
#include "server/store/db.h"
#include "server/store/link.h"

#define SENSE_DB_NAMES_MAX 512u /* statements of the program */
#define SENSE_DB_DEPTH_MAX 64u  /* statements under way on one connection */
#define SENSE_DB_GRACE_S 2.0 /* for the server to end what has timed out, before the connection is given up */
#define SENSE_DB_CHANNELS_MAX 16u

/* A statement that was asked for, with its parameters behind it in one block. */
struct sense_db_ask {
	struct sense_db_ask *next;
	sense_db_done *done; /* NULL: answered, only its results are still to come */
	void *self;
	const char *name, *sql;
	double deadline; /* 0: none */
	unsigned number; /* of the name */
	unsigned count;
	int results_left; /* of the pipeline, before its sync */
	bool prepares;
	bool has_org;
	bool has_result;
	char sqlstate[6];
	char org[SENSE_UUID_TEXT];
	PGresult *result; /* of the statement, or of what failed */
	const char *values[SENSE_DB_PARAMS_MAX];
	int lengths[SENSE_DB_PARAMS_MAX];
	int formats[SENSE_DB_PARAMS_MAX];
	char data[];
};

struct sense_db_queue {
	struct sense_db_ask *first, **last;
	unsigned count;
};

struct sense_db_conn {
	struct sense_link link;
	sense_db *db;
	struct sense_db_queue under_way;
	uint64_t prepared[SENSE_DB_NAMES_MAX / 64];
	bool set_up; /* its own settings are made */
};

struct sense_db_channel {
	char name[64];
	sense_db_heard *heard;
	void *self;
};

struct sense_db {
	struct ev_loop *loop;
	char *conninfo;
	double timeout;
	struct sense_db_queue waiting;
	const char *names[SENSE_DB_NAMES_MAX];
	unsigned name_count;
	ev_timer clock;    /* looks for what has timed out */
	ev_prepare sender; /* once a turn of the loop: what was asked in it goes out together */
	struct sense_db_stats stats;
	struct sense_link listener;
	struct sense_db_channel channels[SENSE_DB_CHANNELS_MAX];
	unsigned channel_count;
	bool listens;
	unsigned conn_count;
	struct sense_db_conn conns[];
};

void sense_db_push(struct sense_db_queue *queue, struct sense_db_ask *ask);
struct sense_db_ask *sense_db_pop(struct sense_db_queue *queue);
/* Calls `done` when that is still to be done, and frees. */
void sense_db_answer(sense_db *db, struct sense_db_ask *ask, enum sense_db_outcome outcome,
                     const char *message);

void sense_db_conn_init(struct sense_db_conn *conn, sense_db *db);
void sense_db_conn_fini(struct sense_db_conn *conn);
bool sense_db_conn_send(struct sense_db_conn *conn,
                        struct sense_db_ask *ask); /* false: broken, ask is as it was */

void sense_db_listen_fini(sense_db *db);

#endif

/*
 * A private PostgreSQL (and Redis) for a test in C, in a folder that is removed at the end, and plain SQL on it. They
 * are the embedded stores of the server; killing them is done from outside, as a test of faults wants it.
 */
#ifndef SENSE_T_STORES_H
#define SENSE_T_STORES_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/embedded/embedded.h"
#include "t/tap.h"

struct stores {
	char dir[64];
	struct sense_embedded_config config;
	struct sense_embedded embedded;
	PGconn *conn; /* as the owner */
	pid_t owner;
};

static struct stores stores;
__attribute__((unused)) static bool stores_durable; /* fsync as in earnest */

static int stores_remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info, (void)kind, (void)walk;
	return remove(path);
}

__attribute__((unused)) static void stores_end(void)
{
	if (!stores.owner || stores.owner != getpid())
		return;
	PQfinish(stores.conn);
	stores.conn = NULL;
	sense_embedded_stop(&stores.embedded);
	nftw(stores.dir, stores_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	stores.owner = 0;
}

/*
 * A test that is killed cannot clean up: this process does, once the pipe says that the test has ended. PostgreSQL and
 * Redis end with their parent by themselves.
 */
static void stores_keep_janitor(void)
{
	char pid_file[96];
	int alive[2];

	if (pipe2(alive, O_CLOEXEC))
		return;
	pid_t pid = fork();
	if (pid) {
		close(alive[0]);
		return;
	}
	setsid();
	alarm(0);
	for (int fd = 0; fd < 3; fd++)
		close(fd); /* prove waits for those */
	close(alive[1]);
	while (read(alive[0], pid_file, 1) > 0)
		;
	snprintf(pid_file, sizeof(pid_file), "%s/postgres/postmaster.pid", stores.dir);
	for (unsigned i = 0; i < 100 && !access(pid_file, F_OK); i++)
		usleep(100000);
	nftw(stores.dir, stores_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

__attribute__((unused)) static bool stores_start(bool redis)
{
	sense_error err;

	if (access(SENSE_EMBEDDED_POSTGRES "/postgres", X_OK)) {
		printf("1..0 # SKIP PostgreSQL 15 is not installed\n");
		exit(0);
	}
	alarm(300); /* a test never hangs */
	snprintf(stores.dir, sizeof(stores.dir), "/tmp/sense-st-XXXXXX");
	if (!mkdtemp(stores.dir) || chmod(stores.dir, 0711))
		return false;
	stores_keep_janitor();
	stores.owner = getpid();
	atexit(stores_end);
	stores.config = (struct sense_embedded_config){
	    .dir = stores.dir, .without_redis = !redis, .without_fsync = !stores_durable};
	if (sense_embedded_start(&stores.config, &stores.embedded, &err)) {
		fprintf(stderr, "# %s\n", err.message);
		return false;
	}
	stores.conn = PQconnectdb(stores.embedded.conninfo);
	return PQstatus(stores.conn) == CONNECTION_OK;
}

/* kill -9 to the whole of PostgreSQL's processes would be a power failure of them: the postmaster's is that. */
__attribute__((unused)) static void stores_kill_postgres(int signal_number)
{
	kill(stores.embedded.postgres, signal_number);
	waitpid(stores.embedded.postgres, NULL, 0);
	stores.embedded.postgres = 0;
}

__attribute__((unused)) static bool stores_start_again(void)
{
	sense_error err;
	if (stores.embedded.redis > 0) {
		kill(stores.embedded.redis, SIGTERM);
		waitpid(stores.embedded.redis, NULL, 0);
	}
	if (sense_embedded_start(&stores.config, &stores.embedded, &err)) {
		fprintf(stderr, "# %s\n", err.message);
		return false;
	}
	PQfinish(stores.conn);
	stores.conn = PQconnectdb(stores.embedded.conninfo);
	return PQstatus(stores.conn) == CONNECTION_OK;
}

/* The first value of what the statement gives, or "" for none, NULL and failure (said on stderr). */
__attribute__((unused, format(printf, 1, 2))) static const char *sql(const char *fmt, ...)
{
	static char value[8192], text[16384];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	PGresult *result = PQexec(stores.conn, text);
	ExecStatusType status = PQresultStatus(result);
	value[0] = '\0';
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fprintf(stderr, "# %s: %s", text, PQerrorMessage(stores.conn));
	else if (PQntuples(result) && PQnfields(result))
		snprintf(value, sizeof(value), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

#endif

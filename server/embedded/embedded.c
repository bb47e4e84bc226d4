#include "server/embedded/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "server/embedded/child.h"

#define SUBSYSTEM "embedded"
#define WAIT_S 60u
#define CONNECTIONS 64u
#define HELD_UP_MS 250u
#define PAUSE_MAX_US UINT64_C(30000000)
#define PATH_CAP (SENSE_EMBEDDED_PATH_MAX + 32)
#define LAYOUT_ROOM 24u /* "/run/.s.PGSQL.5432.lock" */

/* DIR/name. out holds PATH_CAP bytes. */
static const char *path_of(const struct sense_embedded *stores, const char *name, char *out)
{
	snprintf(out, PATH_CAP, "%s/%s", stores->dir, name);
	return out;
}

static const char *program(const struct sense_embedded *stores, const char *name, char *out, size_t cap)
{
	snprintf(out, cap, "%s/%s", stores->config.postgres, name);
	return out;
}

/* ---- whose they are, and where ------------------------------------------------------------------------ */

static enum sense_status choose_user(struct sense_embedded *stores, sense_error *err)
{
	const char *names[] = {stores->config.user ? stores->config.user : "postgres",
	                       stores->config.user ? NULL : "nobody", NULL};

	stores->uid = geteuid();
	stores->gid = getegid();
	if (stores->uid != 0)
		return SENSE_OK;
	for (unsigned i = 0; names[i]; i++) {
		const struct passwd *user = getpwnam(names[i]);
		if (!user || user->pw_uid == 0)
			continue;
		stores->uid = user->pw_uid;
		stores->gid = user->pw_gid;
		return SENSE_OK;
	}
	return sense_fail(
	    err, SENSE_E_CONFIG, SUBSYSTEM,
	    "the embedded stores need a user of their own, and there is no unprivileged user '%s': make "
	    "one, or set database.url",
	    names[0]);
}

/* A folder that is theirs; one that is there already is made so. */
static enum sense_status make_folder(const char *path, uid_t uid, gid_t gid, mode_t mode, sense_error *err)
{
	if (mkdir(path, mode) && errno != EEXIST)
		return sense_fail_errno(err, SUBSYSTEM, "%s cannot be made", path);
	if ((geteuid() == 0 && chown(path, uid, gid)) || chmod(path, mode))
		return sense_fail_errno(err, SUBSYSTEM, "%s cannot be given to the embedded stores", path);
	return SENSE_OK;
}

/* Can the user of the stores come as far as there? Folders above ours are not ours to change. */
static enum sense_status check_way(const struct sense_embedded *stores, sense_error *err)
{
	static const char *const argv[] = {"/bin/true", NULL};
	struct sense_embedded_child child = {argv, "/dev/null", stores->dir, stores->uid, stores->gid, 0};
	pid_t pid = sense_embedded_spawn(&child);

	if (pid < 0)
		return sense_fail_errno(err, SUBSYSTEM, "no process can be started");
	if (sense_embedded_wait(pid, 10000) != 0)
		return sense_fail(
		    err, SENSE_E_CONFIG, SUBSYSTEM,
		    "the user %ld of the embedded stores cannot enter %s: let others pass through the "
		    "folders above it (chmod o+x)",
		    (long)stores->uid, stores->dir);
	return SENSE_OK;
}

static enum sense_status make_layout(struct sense_embedded *stores, sense_error *err)
{
	char path[PATH_CAP];
	enum sense_status status = SENSE_OK;

	if (mkdir(stores->dir, 0711) && errno != EEXIST)
		return sense_fail_errno(err, SUBSYSTEM, "%s cannot be made", stores->dir);
	status = check_way(stores, err);
	if (!status)
		status =
		    make_folder(path_of(stores, "run", path), stores->uid, stores->config.group, 0750, err);
	if (!status)
		status = make_folder(path_of(stores, "log", path), stores->uid, stores->gid, 0750, err);
	if (!status && !stores->config.without_redis)
		status = make_folder(path_of(stores, "redis", path), stores->uid, stores->gid, 0700, err);
	return status;
}

static enum sense_status set_up(const struct sense_embedded_config *config, struct sense_embedded *stores,
                                sense_error *err)
{
	*stores = (struct sense_embedded){.config = *config};
	struct sense_embedded_config *own = &stores->config;
	own->postgres = own->postgres ? own->postgres : SENSE_EMBEDDED_POSTGRES;
	own->redis = own->redis ? own->redis : SENSE_EMBEDDED_REDIS;
	own->group = own->group ? own->group : getegid();
	own->connections = own->connections ? own->connections : CONNECTIONS;
	own->wait = own->wait ? own->wait : WAIT_S;

	if (own->dir[0] != '/' || strpbrk(own->dir, "'\\,\n\""))
		return sense_fail(
		    err, SENSE_E_CONFIG, SUBSYSTEM,
		    "'%s' cannot hold the embedded stores: an absolute path without quotes, commas and "
		    "backslashes can",
		    own->dir);
	if (strlen(own->dir) + LAYOUT_ROOM > SENSE_EMBEDDED_PATH_MAX)
		return sense_fail(
		    err, SENSE_E_CONFIG, SUBSYSTEM,
		    "%s is too long: the path of a socket in it would have more than %u bytes; choose a "
		    "server.dir of at most %u",
		    own->dir, SENSE_EMBEDDED_PATH_MAX, SENSE_EMBEDDED_PATH_MAX - LAYOUT_ROOM);
	snprintf(stores->dir, sizeof(stores->dir), "%s", own->dir);
	snprintf(stores->conninfo, sizeof(stores->conninfo), "host='%s/run' user=sense dbname=sense",
	         stores->dir);
	if (!own->without_redis)
		snprintf(stores->redis_path, sizeof(stores->redis_path), "%.80s/run/redis.sock", stores->dir);
	return choose_user(stores, err);
}

/* ---- PostgreSQL ----------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info, (void)kind, (void)walk;
	return remove(path);
}

/* Made aside and renamed, so that what a crash left half done is never taken for data. */
static enum sense_status make_cluster(const struct sense_embedded *stores, sense_error *err)
{
	char tool[512], data[PATH_CAP], fresh[PATH_CAP], log[PATH_CAP];
	enum sense_status status;

	path_of(stores, "postgres", data);
	if (!access(data, F_OK))
		return SENSE_OK;
	path_of(stores, "postgres.new", fresh);
	path_of(stores, "log/initdb.log", log);
	nftw(fresh, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	status = make_folder(fresh, stores->uid, stores->gid, 0700, err);
	if (status)
		return status;
	const char *argv[] = {program(stores, "initdb", tool, sizeof(tool)),
	                      "--pgdata",
	                      fresh,
	                      "--username=sense",
	                      "--auth-local=trust",
	                      "--auth-host=reject",
	                      "--encoding=UTF8",
	                      "--locale=C.UTF-8",
	                      "--data-checksums",
	                      "--no-instructions",
	                      stores->config.without_fsync ? "--no-sync" : NULL,
	                      NULL};
	struct sense_embedded_child child = {argv, log, stores->dir, stores->uid, stores->gid, SIGKILL};
	pid_t pid = sense_embedded_spawn(&child);
	if (pid < 0)
		return sense_fail_errno(err, SUBSYSTEM, "initdb cannot be started");
	int code = sense_embedded_wait(pid, stores->config.wait * 1000 * 2);
	if (code != 0)
		return sense_fail(
		    err, SENSE_E_IO, SUBSYSTEM,
		    "%s ended with %d%s: %s says why (PostgreSQL 15 is in Debian's postgresql-15)", argv[0],
		    code, code == 127 ? ", it could not be started" : "", log);
	if (rename(fresh, data))
		return sense_fail_errno(err, SUBSYSTEM, "%s cannot be renamed to %s", fresh, data);
	return SENSE_OK;
}

/* One that an earlier server left behind works in the same data: it is asked to stop, as its own server would have. */
static void end_leftover(const struct sense_embedded *stores)
{
	char file[PATH_CAP], link[64], cwd[PATH_CAP], data[PATH_CAP];
	long pid = 0;

	FILE *in = fopen(path_of(stores, "postgres/postmaster.pid", file), "re");
	if (!in)
		return;
	char line[32] = "";
	if (fgets(line, sizeof(line), in))
		pid = strtol(line, NULL, 10);
	fclose(in);
	path_of(stores, "postgres", data);
	snprintf(link, sizeof(link), "/proc/%ld/cwd", pid);
	ssize_t len = pid > 1 ? readlink(link, cwd, sizeof(cwd) - 1) : -1;
	if (len < 0)
		return;
	cwd[len] = '\0';
	if (strcmp(cwd, data) != 0)
		return;
	sense_log(SENSE_LOG_WARN, SUBSYSTEM,
	          "a PostgreSQL of an earlier server still works in %s and is stopped", data);
	kill((pid_t)pid, SIGINT);
	for (unsigned waited = 0; waited < stores->config.wait * 1000 && readlink(link, cwd, 1) > 0;
	     waited += 20)
		poll(NULL, 0, 20);
}

static pid_t spawn_postgres(const struct sense_embedded *stores)
{
	char tool[512], data[PATH_CAP], log[PATH_CAP], sockets[PATH_CAP + 32], connections[32];

	path_of(stores, "postgres", data);
	path_of(stores, "log/postgres.log", log);
	snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s/run", stores->dir);
	snprintf(connections, sizeof(connections), "max_connections=%u", stores->config.connections);
	const char *argv[] = {program(stores, "postgres", tool, sizeof(tool)),
	                      "-D",
	                      data,
	                      "-c",
	                      sockets,
	                      "-c",
	                      connections,
	                      "-c",
	                      "listen_addresses=",
	                      "-c",
	                      "unix_socket_permissions=0777", /* the folder says who may */
	                      "-c",
	                      "shared_buffers=128MB",
	                      "-c",
	                      "work_mem=8MB",
	                      "-c",
	                      "maintenance_work_mem=64MB",
	                      "-c",
	                      "max_wal_size=2GB",
	                      "-c",
	                      "wal_buffers=16MB",
	                      "-c",
	                      "checkpoint_completion_target=0.9",
	                      "-c",
	                      "jit=off",
	                      "-c",
	                      "timezone=UTC",
	                      "-c",
	                      "log_timezone=UTC",
	                      "-c",
	                      "log_line_prefix=%m [%p] ",
	                      "-c",
	                      "idle_in_transaction_session_timeout=60s",
	                      "-c",
	                      stores->config.without_fsync ? "fsync=off" : "fsync=on",
	                      NULL};
	struct sense_embedded_child child = {argv, log, data, stores->uid, stores->gid, SIGINT};
	return sense_embedded_spawn(&child);
}

/* Connects to the database that is always there, and makes ours. */
static bool make_database(const struct sense_embedded *stores, char *why, size_t cap)
{
	char conninfo[sizeof(stores->conninfo) + 64];
	bool good = false;

	snprintf(conninfo, sizeof(conninfo), "host='%s/run' user=sense dbname=postgres connect_timeout=5",
	         stores->dir);
	PGconn *conn = PQconnectdb(conninfo);
	PGresult *result = NULL;
	if (PQstatus(conn) == CONNECTION_OK) {
		result = PQexec(conn, "SELECT 1 FROM pg_database WHERE datname = 'sense'");
		good = PQresultStatus(result) == PGRES_TUPLES_OK;
		if (good && !PQntuples(result)) {
			PQclear(result);
			result = PQexec(conn, "CREATE DATABASE sense");
			good = PQresultStatus(result) == PGRES_COMMAND_OK;
		}
	}
	if (!good)
		snprintf(why, cap, "%s", PQerrorMessage(conn));
	why[strcspn(why, "\n")] = '\0';
	PQclear(result);
	PQfinish(conn);
	return good;
}

/*
 * Of an earlier server that was killed one process may be left that has not noticed yet: as long as it has the shared
 * memory none can begin anew. It ends by itself.
 */
static bool is_held_up(const char *log)
{
	char text[1024];
	int fd = open(log, O_RDONLY | O_CLOEXEC);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t len = end > 0 ? pread(fd, text, sizeof(text) - 1, end < 1024 ? 0 : end - 1023) : 0;
	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return strstr(text, "pre-existing shared memory block") != NULL;
}

static enum sense_status start_postgres(struct sense_embedded *stores, sense_error *err)
{
	char why[256] = "", log[PATH_CAP];
	int code;

	enum sense_status status = make_cluster(stores, err);
	if (status)
		return status;
	end_leftover(stores);
	stores->postgres = spawn_postgres(stores);
	if (stores->postgres < 0) {
		stores->postgres = 0;
		return sense_fail_errno(err, SUBSYSTEM, "PostgreSQL cannot be started");
	}
	path_of(stores, "log/postgres.log", log);
	for (unsigned waited = 0; waited < stores->config.wait * 1000; waited += 50) {
		if (make_database(stores, why, sizeof(why)))
			return SENSE_OK;
		if (sense_embedded_ended(stores->postgres, 50, &code)) {
			stores->postgres = 0;
			if (is_held_up(log)) {
				poll(NULL, 0, HELD_UP_MS);
				waited += HELD_UP_MS;
				stores->postgres = spawn_postgres(stores);
				if (stores->postgres > 0)
					continue;
				stores->postgres = 0;
			}
			return sense_fail(
			    err, SENSE_E_IO, SUBSYSTEM,
			    "the embedded PostgreSQL ended with %d when it was started: %s says why", code,
			    log);
		}
	}
	return sense_fail(err, SENSE_E_IO, SUBSYSTEM,
	                  "the embedded PostgreSQL does not answer after %u s (%s): %s may say why",
	                  stores->config.wait, why, log);
}

/* ---- Redis ------------------------------------------------------------------------------------------------ */

static pid_t spawn_redis(const struct sense_embedded *stores)
{
	char data[PATH_CAP], log[PATH_CAP];

	path_of(stores, "redis", data);
	path_of(stores, "log/redis.log", log);
	const char *argv[] = {stores->config.redis,
	                      "--port",
	                      "0",
	                      "--unixsocket",
	                      stores->redis_path,
	                      "--unixsocketperm",
	                      "777",
	                      "--dir",
	                      data,
	                      "--daemonize",
	                      "no",
	                      "--save",
	                      "",
	                      "--appendonly",
	                      "yes",
	                      "--appendfsync",
	                      "everysec",
	                      "--maxmemory",
	                      "256mb",
	                      "--maxmemory-policy",
	                      "noeviction",
	                      NULL};
	struct sense_embedded_child child = {argv, log, data, stores->uid, stores->gid, SIGTERM};
	return sense_embedded_spawn(&child);
}

/* PING; it says LOADING while it reads its file. */
static bool redis_answers(const struct sense_embedded *stores)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 2};
	char answer[16] = "";

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	memcpy(address.sun_path, stores->redis_path, strlen(stores->redis_path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	bool good = !connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	            write(fd, "PING\r\n", 6) == 6 && read(fd, answer, sizeof(answer) - 1) >= 5 &&
	            !strncmp(answer, "+PONG", 5);
	close(fd);
	return good;
}

static enum sense_status start_redis(struct sense_embedded *stores, sense_error *err)
{
	char log[PATH_CAP];
	int code;

	path_of(stores, "log/redis.log", log);
	/* One of an earlier server ends with it, at once; until then it would answer in the place of ours. */
	for (unsigned waited = 0; waited < 10000 && redis_answers(stores); waited += 50)
		poll(NULL, 0, 50);
	unlink(stores->redis_path);
	stores->redis = spawn_redis(stores);
	if (stores->redis < 0) {
		stores->redis = 0;
		return sense_fail_errno(err, SUBSYSTEM, "Redis cannot be started");
	}
	for (unsigned waited = 0; waited < stores->config.wait * 1000; waited += 20) {
		if (redis_answers(stores))
			return SENSE_OK;
		if (sense_embedded_ended(stores->redis, 20, &code)) {
			stores->redis = 0;
			return sense_fail(
			    err, SENSE_E_IO, SUBSYSTEM,
			    "the embedded Redis (%s) ended with %d when it was started%s: %s says why",
			    stores->config.redis, code, code == 127 ? "; it is in Debian's redis-server" : "",
			    log);
		}
	}
	return sense_fail(err, SENSE_E_IO, SUBSYSTEM,
	                  "the embedded Redis does not answer after %u s: %s may say why",
	                  stores->config.wait, log);
}

/* ---- both --------------------------------------------------------------------------------------------------- */

enum sense_status sense_embedded_start(const struct sense_embedded_config *config,
                                       struct sense_embedded *stores, sense_error *err)
{
	enum sense_status status = set_up(config, stores, err);
	if (!status)
		status = make_layout(stores, err);
	if (!status)
		status = start_postgres(stores, err);
	if (!status && !config->without_redis)
		status = start_redis(stores, err);
	if (status)
		sense_embedded_stop(stores);
	return status;
}

void sense_embedded_stop(struct sense_embedded *stores)
{
	int code;

	if (stores->redis > 0) {
		kill(stores->redis, SIGTERM);
		sense_embedded_wait(stores->redis, 20000);
	}
	if (stores->postgres > 0) {
		kill(stores->postgres, SIGINT); /* fast: ends sessions, writes all, and is done */
		if (!sense_embedded_ended(stores->postgres, 60000, &code)) {
			kill(stores->postgres, SIGQUIT);
			sense_embedded_wait(stores->postgres, 10000);
		}
	}
	stores->redis = stores->postgres = 0;
}

bool sense_embedded_exited(struct sense_embedded *stores, pid_t pid, int status)
{
	if (pid <= 0 || (pid != stores->postgres && pid != stores->redis))
		return false;
	bool postgres = pid == stores->postgres;
	uint64_t pause_us = UINT64_C(250000) << (stores->failures < 7 ? stores->failures : 7);
	sense_log(SENSE_LOG_ERROR, SUBSYSTEM, "%s ended (status %#x) and is started again; %s/log says why",
	          postgres ? "PostgreSQL" : "Redis", (unsigned)status, stores->dir);
	if (postgres)
		stores->postgres = 0;
	else
		stores->redis = 0;
	stores->failures++;
	stores->again_at_us = sense_clock_us() + (pause_us < PAUSE_MAX_US ? pause_us : PAUSE_MAX_US);
	return true;
}

void sense_embedded_tend(struct sense_embedded *stores)
{
	uint64_t now = sense_clock_us();

	if (stores->postgres && (stores->redis || stores->config.without_redis)) {
		/* Long enough to call it a start that lasted. */
		if (stores->failures && now > stores->again_at_us + 2 * PAUSE_MAX_US)
			stores->failures = 0;
		return;
	}
	if (now < stores->again_at_us)
		return;
	if (!stores->postgres) {
		pid_t pid = spawn_postgres(stores);
		stores->postgres = pid > 0 ? pid : 0;
	}
	if (!stores->redis && !stores->config.without_redis) {
		pid_t pid = spawn_redis(stores);
		stores->redis = pid > 0 ? pid : 0;
	}
}

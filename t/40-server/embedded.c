/* The embedded stores: first start, crash, restart, what stands in the way. */
#include <fcntl.h>
#include <string.h>

#include "t/stores.h"

static void refusals(void)
{
	struct sense_embedded none;
	sense_error err;
	struct sense_embedded_config config = {.dir = "relative"};

	is_num(sense_embedded_start(&config, &none, &err), SENSE_E_CONFIG, "a relative folder is refused");
	char deep[200];
	memset(deep, 'd', sizeof(deep));
	deep[0] = '/';
	deep[100] = '\0';
	config.dir = deep;
	is_num(sense_embedded_start(&config, &none, &err), SENSE_E_CONFIG,
	       "a folder too long for a socket is refused");
	ok(strstr(err.message, "too long") != NULL, "and why: %s", err.message);
	config.dir = "/tmp/o'clock";
	is_num(sense_embedded_start(&config, &none, &err), SENSE_E_CONFIG,
	       "a folder with a quote is refused");

	char closed[] = "/tmp/sense-st-XXXXXX", inner[128];
	if (geteuid() == 0 && mkdtemp(closed)) {
		snprintf(inner, sizeof(inner), "%s/data", closed);
		config.dir = inner;
		is_num(sense_embedded_start(&config, &none, &err), SENSE_E_CONFIG,
		       "a folder its user cannot enter");
		ok(strstr(err.message, "chmod o+x") != NULL, "is said with what to do: %s", err.message);
		rmdir(inner);
		rmdir(closed);
	}
	snprintf(inner, sizeof(inner), "%s/none", stores.dir);
	config = (struct sense_embedded_config){.dir = inner, .postgres = "/nonexistent"};
	is_num(sense_embedded_start(&config, &none, &err), SENSE_E_IO, "no PostgreSQL there");
	ok(strstr(err.message, "postgresql-15") != NULL, "names the package: %s", err.message);
}

static unsigned mode_of(const char *name)
{
	char path[128];
	struct stat info = {0};
	snprintf(path, sizeof(path), "%s/%s", stores.dir, name);
	stat(path, &info);
	return info.st_mode & 0777;
}

int main(void)
{
	if (!ok(stores_start(true), "PostgreSQL and Redis start in an empty folder"))
		return tap_done();
	is_str(sql("SHOW data_checksums"), "on", "checksums are on");
	is_str(sql("SHOW listen_addresses"), "", "no address is listened on");
	is_str(sql("SHOW server_encoding"), "UTF8", "UTF-8");
	is_num(mode_of("run"), 0750, "sockets are for owner and group alone");
	is_num(mode_of("postgres"), 0700, "data for their owner alone");

	sql("CREATE TABLE kept (n int)");
	sql("INSERT INTO kept SELECT generate_series(1, 1000)");
	stores_kill_postgres(SIGKILL);
	ok(stores_start_again(), "after kill -9 it starts again");
	is_str(sql("SELECT count(*) FROM kept"), "1000", "and nothing is lost");

	/* A server that was killed leaves its PostgreSQL for a moment: the next one takes over. */
	struct sense_embedded second;
	sense_error err;
	bool taken = !sense_embedded_start(
	    &(struct sense_embedded_config){.dir = stores.dir, .without_redis = true, .without_fsync = true},
	    &second, &err);
	ok(taken, "a second one takes over from the first");
	waitpid(stores.embedded.postgres, NULL, 0);
	stores.embedded.postgres = taken ? second.postgres : 0;
	PQreset(stores.conn);
	is_str(sql("SELECT count(*) FROM kept"), "1000", "with what it held");

	/* What ends by itself is started again. */
	pid_t old = stores.embedded.postgres;
	kill(old, SIGKILL);
	int status = 0;
	waitpid(old, &status, 0);
	ok(sense_embedded_exited(&stores.embedded, old, status), "its end is noticed");
	ok(!sense_embedded_exited(&stores.embedded, 1, 0), "that of a stranger is not its");
	for (unsigned i = 0; i < 200 && !stores.embedded.postgres; i++) {
		sense_embedded_tend(&stores.embedded);
		usleep(50000);
	}
	ok(stores.embedded.postgres > 0 && stores.embedded.postgres != old, "and it is started again");
	for (unsigned i = 0; i < 200; i++) {
		PQreset(stores.conn);
		if (PQstatus(stores.conn) == CONNECTION_OK)
			break;
		usleep(50000);
	}
	is_str(sql("SELECT count(*) FROM kept"), "1000", "and has all");
	refusals();
	sense_embedded_stop(&stores.embedded);
	char path[128];
	snprintf(path, sizeof(path), "%s/postgres/postmaster.pid", stores.dir);
	ok(access(path, F_OK) != 0, "stopped cleanly: nothing to recover");
	return tap_done();
}

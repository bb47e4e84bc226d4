/* Migrations: applied once, in turns, refused when they do not fit; and what the schema promises. */
#include <stdio.h>
#include <string.h>

#include "server/store/migrate.h"
#include "t/stores.h"

static char dir[96];

static void write_file(const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *out = fopen(path, "w");
	fputs(text, out);
	fclose(out);
}

static enum sense_status migrate_in(const char *database, const char *from,
                                    struct sense_migrate_report *report, sense_error *err)
{
	char conninfo[256];
	snprintf(conninfo, sizeof(conninfo), "host='%s/run' user=sense dbname=%s", stores.dir, database);
	return sense_migrate(&(struct sense_migrate_config){.conninfo = conninfo, .dir = from, .wait = 20},
	                     report, err);
}

static void from_a_folder(void)
{
	struct sense_migrate_report report;
	sense_error err;

	snprintf(dir, sizeof(dir), "%s/migrations", stores.dir);
	mkdir(dir, 0755);
	sql("CREATE DATABASE plain");
	write_file("001_one.sql", "CREATE TABLE sense.one (n int);");
	write_file("README", "not one");
	is_num(migrate_in("plain", dir, &report, &err), SENSE_OK, "from a folder");
	is_num(report.applied, 1, "one is applied");
	write_file("002_two.sql", "CREATE TABLE sense.two (n int); SELECT 1 / 0;");
	is_num(migrate_in("plain", dir, &report, &err), SENSE_E_IO, "one that fails");
	ok(strstr(err.message, "002_two.sql: division by zero") != NULL, "is named: %s", err.message);
	write_file("002_two.sql", "CREATE TABLE sense.two (n int);");
	is_num(migrate_in("plain", dir, &report, &err), SENSE_OK,
	       "it left nothing behind: mended, it applies");
	is_num(report.version, 2, "which is the second");

	write_file("001_one.sql", "CREATE TABLE sense.one (n bigint);");
	is_num(migrate_in("plain", dir, &report, &err), SENSE_E_VERSION,
	       "one that was changed since is refused");
	ok(strstr(err.message, "001_one.sql was changed") != NULL, "by name: %s", err.message);
	write_file("001_one.sql", "CREATE TABLE sense.one (n int);");

	char path[160];
	snprintf(path, sizeof(path), "%s/002_two.sql", dir);
	unlink(path);
	is_num(migrate_in("plain", dir, &report, &err), SENSE_E_VERSION,
	       "a database newer than the program is refused");
	ok(strstr(err.message, "002_two.sql") != NULL, "and says what it has: %s", err.message);
	write_file("004_four.sql", "SELECT 1;");
	is_num(migrate_in("plain", dir, &report, &err), SENSE_E_CONFIG,
	       "a number that is left out is refused");
	is_num(migrate_in("none", dir, &report, &err), SENSE_E_CONFIG, "before any database is asked");
}

/* Servers that start at once: each applies none or all, nobody fails. */
static void at_once(void)
{
	enum { SERVERS = 4 };
	pid_t pids[SERVERS];
	unsigned applied = 0, failed = 0, waited = 0;

	sql("CREATE DATABASE crowd");
	for (unsigned i = 0; i < SERVERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct sense_migrate_report report;
			sense_error err;
			enum sense_status status = migrate_in("crowd", NULL, &report, &err);
			_exit(status ? 100 : (int)report.applied);
		}
	}
	for (unsigned i = 0; i < SERVERS; i++) {
		int status = 0;
		waitpid(pids[i], &status, 0);
		unsigned code = (unsigned)WEXITSTATUS(status);
		failed += code == 100;
		applied += code && code != 100;
		waited += !code;
	}
	is_num(failed, 0, "four servers at once: none fails");
	is_num(applied, 1, "one applies");
	is_num(waited, SERVERS - 1, "the others wait for it");
}

#define ORG_A "00000000-0000-4000-8000-00000000000a"
#define ORG_B "00000000-0000-4000-8000-00000000000b"

static void rows_of_others(void)
{
	static const char *const tables[] = {
	    "agents", "agent_progress", "findings", "findings_quarantine", "findings_hourly", NULL};
	is_str(
	    sql("SELECT string_agg(relname, ' ') FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE "
	        "relnamespace = 'sense'::regnamespace AND attname = 'org_id' AND relkind IN ('r', 'p') AND NOT "
	        "relrowsecurity AND NOT relispartition"),
	    "", "every table with an organization has row-level security");
	sql("INSERT INTO sense.organizations (id, name) VALUES ('" ORG_A "', 'a'), ('" ORG_B "', 'b')");
	sql("INSERT INTO sense.agents (id, org_id, host) VALUES ('" ORG_A "', '" ORG_A "', 'ha'), ('" ORG_B
	    "', '" ORG_B "', 'hb')");
	for (unsigned i = 0; i < 2; i++) {
		const char *org = i ? ORG_B : ORG_A;
		sql("INSERT INTO sense.findings (id, org_id, agent_id, ts, received, sequence, severity, rule, confidence, "
		    "evidence, details, tags) VALUES (gen_random_uuid(), '%s', '%s', now(), now(), 1, 1, 'r', 0, '{}', '{}', "
		    "'{}')",
		    org, org);
		sql("INSERT INTO sense.findings_quarantine VALUES ('%s', '%s', 1, now(), 'why', '')", org,
		    org);
		sql("INSERT INTO sense.findings_hourly VALUES ('%s', now(), 1, '', '', '', 1)", org);
	}
	for (unsigned i = 0; tables[i]; i++) {
		sql("BEGIN; SET LOCAL ROLE sense_api");
		is_str(sql("SELECT count(*) FROM sense.%s", tables[i]), "0", "%s: no organization, no rows",
		       tables[i]);
		sql("SELECT set_config('sense.org', '" ORG_A "', true)");
		is_str(sql("SELECT count(*) || ' ' || min(org_id::text) FROM sense.%s", tables[i]),
		       "1 " ORG_A, "%s: those of its own alone", tables[i]);
		sql("ROLLBACK");
	}
	sql("BEGIN; SET LOCAL ROLE sense_api");
	sql("SELECT set_config('sense.org', '" ORG_A "', true)");
	PGresult *result =
	    PQexec(stores.conn, "INSERT INTO sense.agents (org_id, host) VALUES ('" ORG_B "', 'x')");
	is_str(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42501", "nor can it write into another");
	PQclear(result);
	sql("ROLLBACK");
	sql("BEGIN; SET LOCAL ROLE sense_api");
	result = PQexec(stores.conn, "SELECT count(*) FROM sense.findings_default");
	is_str(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42501", "or go round by a partition");
	PQclear(result);
	sql("ROLLBACK");
}

static const char *put_at(const char *when)
{
	return sql(
	    "INSERT INTO sense.findings (id, org_id, agent_id, ts, received, sequence, severity, rule, confidence, "
	    "evidence, details, tags) VALUES (gen_random_uuid(), '" ORG_A "', '" ORG_A
	    "', '%s', now(), 1, 1, 'r', 0, "
	    "'{}', '{}', '{}') RETURNING tableoid::regclass",
	    when);
}

static void days(void)
{
	/* What the session's time zone is does not matter. */
	sql("SET TIME ZONE 'Asia/Kolkata'; SET search_path = ''");
	is_str(sql("SELECT sense.make_partitions(3, '2026-05-10 23:59:59.999999+00')"), "6",
	       "yesterday, today, three days, and one that findings waited for");
	is_str(sql("SELECT sense.make_partitions(3, '2026-05-10 12:00+00')"), "0", "once");
	is_str(put_at("2026-05-10 23:59:59.999999+00"), "sense.findings_20260510",
	       "the last microsecond of a day");
	is_str(put_at("2026-05-11 00:00:00+00"), "sense.findings_20260511", "and the first of the next");
	is_str(put_at("2026-05-20 10:00:00+00"), "sense.findings_default", "a day without a partition");
	is_str(sql("SELECT sense.make_partitions(3, '2026-05-11 00:00:00+00')"), "2",
	       "gets one, with what waited");
	is_str(sql("SELECT tableoid::regclass FROM sense.findings WHERE ts = '2026-05-20 10:00:00+00'"),
	       "sense.findings_20260520", "which moves there");
	is_str(sql("SELECT sense.drop_partitions(1, '2026-05-12 00:30:00+00')"), "2",
	       "what is too old is dropped");
	is_str(sql("SELECT count(*) FROM sense.findings WHERE ts < '2026-05-11 00:00:00+00'"), "0",
	       "whole days");
	is_str(sql("SELECT count(*) FROM sense.findings WHERE ts = '2026-05-11 00:00:00+00'"), "1",
	       "and no more");
	sql("SET TIME ZONE 'UTC'");
}

static void counts(void)
{
	sql("TRUNCATE sense.findings_hourly");
	for (unsigned i = 0; i < 2; i++) {
		sql("INSERT INTO sense.findings_hourly_new VALUES ('" ORG_A
		    "', '2026-05-11 00:00+00', 1, '', '', '', 5), "
		    "('" ORG_A "', '2026-05-11 00:00+00', 1, '', '', '', 2), ('" ORG_A
		    "', '2026-05-11 00:00+00', 2, 't', '', '', 1)");
		is_str(sql("SELECT sense.roll_up()"), "3", "new counts are folded");
	}
	is_str(sql("SELECT sum(findings) || ' ' || count(*) FROM sense.findings_hourly"), "16 2",
	       "into their hours");
	is_str(sql("SELECT sense.roll_up()"), "0", "once");
	is_str(sql("SELECT sense.roll_up_again('2026-05-11 00:10+00')"), "1", "an hour counted anew");
	is_str(sql("SELECT sum(findings) FROM sense.findings_hourly"), "1", "is what its findings are");
}

int main(void)
{
	struct sense_migrate_report report;
	sense_error err;

	if (!ok(stores_start(false), "a database"))
		return tap_done();
	if (!ok(!migrate_in("sense", NULL, &report, &err), "the program's own migrations apply"))
		fprintf(stderr, "# %s\n", err.message);
	ok(report.applied >= 2 && report.applied == report.version, "all of them");
	is_num(migrate_in("sense", NULL, &report, &err), SENSE_OK, "again");
	is_num(report.applied, 0, "there is nothing to do");
	from_a_folder();
	at_once();
	rows_of_others();
	days();
	counts();
	return tap_done();
}

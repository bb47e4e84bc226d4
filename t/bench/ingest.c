/*
 * Findings into a durable PostgreSQL of its own: by the path of the server (claim, COPY, counts, outbox, acknowledged
 * after each commit), and by psql's binary COPY of the same rows into the same table with the same indexes, in turns.
 *
 *   build/t/bench/ingest          BENCH_ROWS (200000), BENCH_ROUNDS (3), BENCH_BATCH (500), BENCH_AGENTS (200),
 *                                 BENCH_TRANSACTION and BENCH_WRITERS: as the server has them
 */
#include <inttypes.h>
#include <sys/resource.h>

#include "server/ingest/transcode.h"
#include "t/40-server/ingest.h"

#define UNDER_WAY 16u /* batches that agents have sent and that are not acknowledged */

struct batch {
	unsigned agent;
	uint64_t after;
	uint8_t *data;
	size_t len;
};

static struct ev_loop *loop;
static struct batch *batches;
static unsigned batch_count, rows_each, agents, total;
static char copy_file[128];

struct figures {
	double seconds, own_cpu, database_cpu, p50_ms, p99_ms;
};

static unsigned number(const char *name, unsigned otherwise)
{
	const char *value = getenv(name);
	return value ? (unsigned)strtoul(value, NULL, 10) : otherwise;
}

/* As agents send them: kinds, services and times differ; one organization. */
static void make_all(void)
{
	static const char *const services[] = {"claude", "chatgpt", "ms-copilot", "gemini",
	                                       "ollama", "mistral", "deepseek"};
	static const char *const types[] = {"service", "transfer", "local_model", "mcp", "dns"};
	static const char *const severities[] = {"info", "low", "medium", "high"};
	struct sense_rows rows = {0};
	struct sense_row_origin origin = {.received_us = sense_clock_us()};
	struct sense_finding_row row;

	batch_count = total / rows_each;
	batches = calloc(batch_count, sizeof(*batches));
	for (unsigned i = 0; i < batch_count; i++) {
		struct batch *batch = &batches[i];
		struct wire wire;
		*batch = (struct batch){.agent = 1 + i % agents, .after = (uint64_t)(i / agents) * rows_each};
		wire_begin(&wire, batch->after, rows_each);
		for (unsigned n = 0; n < rows_each; n++) {
			unsigned mix = i * rows_each + n;
			struct made made = {.timestamp = origin.received_us - mix % 3600 * UINT64_C(1000000),
			                    .service = services[mix % 7],
			                    .type = types[mix / 7 % 5],
			                    .severity = severities[mix / 35 % 4]};
			uint8_t finding[SENSE_FINDING_BYTES_MAX];
			size_t len =
			    make_finding(batch->agent, batch->after + n + 1, &made, finding, sizeof(finding));
			sense_message_put_finding(&wire.writer, batch->after + n + 1, finding, len);
			sense_row_add(&rows, &origin, batch->after + n + 1, finding, len, &row);
		}
		batch->data = wire.data;
		batch->len = wire.writer.len;
	}
	snprintf(copy_file, sizeof(copy_file), "%s/rows.copy", stores.dir);
	FILE *out = fopen(copy_file, "w");
	fwrite(sense_copy_header, 1, SENSE_COPY_HEADER, out);
	fwrite(rows.data, 1, rows.len, out);
	fwrite(sense_copy_trailer, 1, SENSE_COPY_TRAILER, out);
	fclose(out);
	printf("%u rows, %.0f bytes each in COPY; batches of %u, %u agents\n", batch_count * rows_each,
	       (double)rows.len / (batch_count * rows_each), rows_each, agents);
	sense_rows_fini(&rows);
}

/* CPU seconds of PostgreSQL so far: its first process, with those that have ended, and those that run. */
static double database_cpu(void)
{
	double ticks = 0;
	DIR *proc = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(proc));) {
		char path[300], text[1024];
		long pid = strtol(entry->d_name, NULL, 10), parent, user, system_time, child_user,
		     child_system;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		FILE *in = pid > 0 ? fopen(path, "r") : NULL;
		if (!in)
			continue;
		size_t len = fread(text, 1, sizeof(text) - 1, in);
		fclose(in);
		text[len] = '\0';
		const char *behind = strrchr(text, ')');
		if (!behind ||
		    sscanf(behind + 2, "%*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %ld %ld", &parent,
		           &user, &system_time, &child_user, &child_system) != 5)
			continue;
		if (pid == stores.embedded.postgres)
			ticks += (double)(user + system_time + child_user + child_system);
		else if (parent == stores.embedded.postgres)
			ticks += (double)(user + system_time);
	}
	closedir(proc);
	return ticks / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_of(int who)
{
	struct rusage use;
	getrusage(who, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void start_over(void)
{
	sql("TRUNCATE sense.findings, sense.findings_hourly_new, sense.findings_hourly, sense.outbox");
	sql("UPDATE sense.agent_progress SET through = 0");
	sql("CHECKPOINT");
}

static void check(void)
{
	char want[32];
	snprintf(want, sizeof(want), "%u", batch_count * rows_each);
	if (strcmp(sql("SELECT count(*) FROM sense.findings"), want) != 0) {
		fprintf(stderr, "not all rows are there\n");
		exit(1);
	}
}

/* ---- by psql ------------------------------------------------------------------------------------------------ */

static struct figures by_psql(void)
{
	char command[512];
	struct figures figures = {0};

	start_over();
	snprintf(command, sizeof(command),
	         SENSE_EMBEDDED_POSTGRES
	         "/psql -X -q -d \"host='%s/run' user=sense dbname=sense\" -c \"\\copy sense.findings "
	         "FROM '%s' (FORMAT binary)\"",
	         stores.dir, copy_file);
	double before = database_cpu(), own = cpu_of(RUSAGE_CHILDREN);
	uint64_t start = sense_clock_us();
	if (system(command) != 0)
		exit(1);
	figures.seconds = (double)(sense_clock_us() - start) / 1e6;
	figures.own_cpu = cpu_of(RUSAGE_CHILDREN) - own;
	figures.database_cpu = database_cpu() - before;
	check();
	return figures;
}

/* ---- by the server's path ------------------------------------------------------------------------------------ */

static unsigned next_batch, under_way, failed;
static uint64_t *sent_us;
static double *latencies;
static unsigned latency_count;

static void on_stored(void *self, enum sense_ingest_outcome outcome, uint64_t through, uint32_t refused)
{
	unsigned n = (unsigned)(uintptr_t)self;
	(void)through, (void)refused;
	failed += outcome != SENSE_INGEST_STORED;
	latencies[latency_count++] = (double)(sense_clock_us() - sent_us[n]) / 1000;
	under_way--;
}

static void feed(sense_ingest *ingest)
{
	while (next_batch < batch_count && under_way < UNDER_WAY) {
		const struct batch *batch = &batches[next_batch];
		struct sense_message_findings findings;
		const char *why;
		sense_message_get_findings(batch->data, batch->len, &findings, &why);
		sent_us[next_batch] = sense_clock_us();
		if (sense_ingest_submit(ingest, ORG_A, agent_id(batch->agent), findings.after, &findings,
		                        on_stored, (void *)(uintptr_t)next_batch) != SENSE_INGEST_TAKEN)
			break;
		under_way++;
		next_batch++;
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static struct figures by_server(void)
{
	struct figures figures = {0};
	struct sense_ingest_stats stats;

	start_over();
	sense_ingest *ingest =
	    sense_ingest_new(loop,
	                     &(struct sense_ingest_config){.conninfo = stores.embedded.conninfo,
	                                                   .rows = number("BENCH_TRANSACTION", 0),
	                                                   .writers = number("BENCH_WRITERS", 0)},
	                     NULL);
	do {
		ev_run(loop, EVRUN_ONCE);
		sense_ingest_stats(ingest, &stats);
	} while (!stats.connected);
	next_batch = under_way = latency_count = 0;
	double before = database_cpu(), own = cpu_of(RUSAGE_SELF);
	uint64_t start = sense_clock_us();
	while (next_batch < batch_count || under_way) {
		feed(ingest);
		ev_run(loop, EVRUN_ONCE);
	}
	/* The counts are folded in the same time. */
	sql("SELECT sense.roll_up()");
	figures.seconds = (double)(sense_clock_us() - start) / 1e6;
	figures.own_cpu = cpu_of(RUSAGE_SELF) - own;
	figures.database_cpu = database_cpu() - before;
	sense_ingest_free(ingest);
	check();
	if (failed)
		exit(1);
	qsort(latencies, latency_count, sizeof(*latencies), by_size);
	figures.p50_ms = latencies[latency_count / 2];
	figures.p99_ms = latencies[latency_count * 99 / 100];
	return figures;
}

static void on_tick(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l, (void)timer, (void)events;
}

static void report(const char *who, const struct figures *figures)
{
	double rows = (double)batch_count * rows_each;
	printf("%-8s %8.0f rows/s  %6.2f us/row of its CPU  %6.2f of the database's", who,
	       rows / figures->seconds, figures->own_cpu / rows * 1e6, figures->database_cpu / rows * 1e6);
	if (figures->p99_ms > 0)
		printf("  p50 %.1f ms, p99 %.1f ms", figures->p50_ms, figures->p99_ms);
	putchar('\n');
	fflush(stdout);
}

int main(void)
{
	unsigned rounds = number("BENCH_ROUNDS", 3);
	double ratios[64];
	ev_timer tick;

	total = number("BENCH_ROWS", 200000);
	rows_each = number("BENCH_BATCH", 500);
	agents = number("BENCH_AGENTS", 200);
	rounds = rounds > 64 ? 64 : rounds;
	stores_durable = true;
	if (!stores_start(false) || !make_schema(agents))
		return 1;
	alarm(3600);
	make_all();
	sent_us = calloc(batch_count, sizeof(*sent_us));
	latencies = calloc(batch_count, sizeof(*latencies));
	loop = ev_loop_new(EVFLAG_AUTO);
	ev_timer_init(&tick, on_tick, 0.005, 0.005);
	ev_timer_start(loop, &tick);
	by_psql(); /* warms up the disk and the memory, and is not counted */
	for (unsigned round = 0; round < rounds; round++) {
		struct figures psql = by_psql(), server = by_server();
		report("psql", &psql);
		report("server", &server);
		ratios[round] = psql.seconds / server.seconds;
	}
	qsort(ratios, rounds, sizeof(*ratios), by_size);
	printf("the server's path takes in %.2f times as many rows a second as psql's COPY (median of %u)\n",
	       ratios[rounds / 2], rounds);
	return 0;
}

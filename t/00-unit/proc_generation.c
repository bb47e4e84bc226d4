/* Generations of policies: bundles, the mailbox, what a worker that lies or dies can do to them. */
#include "core/proc/generation.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/proc/supervisor.h"
#include "core/service/control.h"
#include "t/tap.h"

#define TICKS_MAX 600 /* a minute: no run of these takes so long */

static sense_error err;

static void add(struct sense_bundle *bundle, const char *name, const char *text)
{
	char file[64];
	snprintf(file, sizeof file, "/pol/%s.lua", name);
	sense_bundle_add(bundle, &(struct sense_bundle_item){file, name, text, strlen(text)});
}

static void bundles(void)
{
	struct sense_bundle one, two, copy;
	struct sense_bundle_item item;
	size_t used = 0;
	sense_bundle_init(&one);
	sense_bundle_init(&two);
	sense_bundle_init(&copy);
	add(&one, "a", "text of a");
	add(&one, "b/c", "");
	is_num(sense_bundle_seal(&one, &err), SENSE_OK, "a bundle is sealed");
	ok(sense_bundle_next(one.block.data, one.block.len, &used, &item), "and read");
	is_str(item.file, "/pol/a.lua", "file");
	is_str(item.name, "a", "name");
	ok(item.len == 9 && !strcmp(item.text, "text of a"), "text");
	ok(sense_bundle_next(one.block.data, one.block.len, &used, &item) && !item.len, "an empty text");
	ok(!sense_bundle_next(one.block.data, one.block.len, &used, &item) && used == one.block.len, "the end");
	add(&two, "a", "text of a");
	add(&two, "b", "/c");
	sense_bundle_seal(&two, &err);
	ok(strcmp(one.hash, two.hash) != 0 && strlen(one.hash) == 16,
	   "names and texts have hashes of their own");
	is_num(sense_bundle_verify(&copy, one.block.data, one.block.len, &err), SENSE_OK, "it is verified");
	is_str(copy.hash, one.hash, "with the same hash");
	unsigned taken = 0, verified = 0;
	for (size_t len = 0; len < one.block.len; len++) {
		verified += !sense_bundle_verify(&copy, one.block.data, len, &err);
		char *damaged = malloc(one.block.len);
		memcpy(damaged, one.block.data, one.block.len);
		damaged[len] ^= 0x11;
		taken += !sense_bundle_verify(&copy, damaged, one.block.len, &err);
		free(damaged);
	}
	is_num(verified, 0, "no part of one is");
	/* `reserved` and the path, which is for messages alone, are not hashed. */
	ok(taken <= 4 + strlen("/pol/a.lua") + strlen("/pol/b/c.lua"), "nor one that was changed: %u", taken);
	for (unsigned i = 0; i < SENSE_BUNDLE_FILES_MAX; i++)
		add(&two, "x", "y");
	is_num(sense_bundle_seal(&two, &err), SENSE_E_LIMIT, "files are bounded");
	sense_bundle_fini(&one);
	sense_bundle_fini(&two);
	sense_bundle_init(&one);
	for (unsigned i = 0; i < SENSE_BUNDLE_FILES_MAX; i++)
		add(&one, "x", "y");
	add(&one, SENSE_BUNDLE_PARAMS, "settings");
	is_num(sense_bundle_seal(&one, &err), SENSE_OK, "settings of rules are no file");
	is_num(sense_bundle_verify(&copy, one.block.data, one.block.len, &err), SENSE_OK, "with them it is verified");
	is_num(copy.count - copy.params, SENSE_BUNDLE_FILES_MAX, "and its files are counted");
	add(&one, SENSE_BUNDLE_PARAMS, "settings");
	is_num(sense_bundle_seal(&one, &err), SENSE_E_LIMIT, "they are there once");
	sense_bundle_fini(&one);
	sense_bundle_fini(&copy);
}

static void requests(void)
{
	static const struct {
		const char *line;
		int good;
	} lines[] = {{"status", 1},      {"status rules", 1},  {"status text rules", 1}, {"reload", 1},
	             {"reload text", 1}, {"", 0},              {"statu", 0},             {"status ", 0},
	             {"status  rules", 0}, {"reload rules", 0}, {"status text text", 0}, {"text", 0},
	             {" status", 0},     {"STATUS", 0}};
	struct sense_control_request request;
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		is_num(sense_control_parse(lines[i].line, strlen(lines[i].line), &request), lines[i].good,
		       lines[i].line);
	sense_control_parse("status rules", 12, &request);
	ok(request.what == SENSE_CONTROL_STATUS && request.rules && !request.text, "words are taken");
}

/* A worker cannot write what the supervisor hands over, whatever it tries. */
static void mailbox(void)
{
	struct sense_mailbox box;
	int status;
	is_num(sense_mailbox_new(&box, &err), SENSE_OK, "a mailbox");
	pid_t pid = fork();
	if (!pid) {
		sense_mailbox_inherit(&box);
		int changed = mprotect((void *)(uintptr_t)box.views.read, 4096, PROT_READ | PROT_WRITE);
		_exit(changed ? 7 : 8);
	}
	waitpid(pid, &status, 0);
	is_num(WEXITSTATUS(status), 7, "a worker cannot make its view writable");
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		volatile uint64_t *len = &((struct sense_letter *)box.views.write)->len;
		sense_mailbox_inherit(&box);
		*len = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status), "nor does it have the other one");
	sense_mailbox_free(&box);
}

/* ---- a supervisor whose workers do as the text of their policies says ---- */

static const char *disk; /* what read() gives; NULL: cannot be read */
static char said[8192];

static enum sense_status disk_read(void *self, struct sense_bundle *out, sense_error *error)
{
	(void)self;
	if (!disk)
		return sense_fail(error, SENSE_E_IO, "policy", "no disk");
	add(out, "p", disk);
	return SENSE_OK;
}

static void on_message(void *self, enum sense_log_level level, const char *subsystem, const char *text)
{
	size_t used = strlen(said);
	(void)self;
	(void)level;
	(void)subsystem;
	snprintf(said + used, sizeof said - used, "%s\n", text);
}

/* The disk changes, then SIGHUP comes: once for each new text. */
static const char *const *next_texts;
static unsigned workers = 1; /* of a run */
static unsigned ticks;

static bool on_tick(void *self, const struct sense_crew *crew)
{
	(void)self;
	(void)crew;
	if (next_texts && *next_texts) {
		disk = **next_texts ? *next_texts : NULL;
		next_texts++;
		raise(SIGHUP);
	}
	return ++ticks < TICKS_MAX;
}

static void loaded_tell(struct sense_worker *worker, uint64_t ticket, const char *text)
{
	struct sense_ipc_loaded loaded = {.ticket = ticket, .files = 1, .rules = 3};
	if (strstr(text, "bad")) {
		loaded = (struct sense_ipc_loaded){.ticket = ticket, .status = SENSE_E_CONFIG, .problems = 1};
		sense_worker_problem(worker, "p.lua:1: bad");
	}
	sense_worker_loaded(worker, &loaded);
}

static const char *text_of(const void *block, size_t len)
{
	struct sense_bundle_item item = {.text = ""};
	size_t used = 0;
	sense_bundle_next(block, len, &used, &item);
	return item.text;
}

static int obeys(void *context, struct sense_worker *worker)
{
	const struct sense_mailbox *box = &worker->shared->mailbox;
	const char *first = text_of(worker->bundle->block.data, worker->bundle->block.len);
	uint64_t seen = worker->ticket;
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	if (strstr(first, "crash"))
		raise(SIGKILL);
	loaded_tell(worker, seen, first);
	if (strstr(first, "bad"))
		return 1;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	sense_worker_log(worker, SENSE_LOG_INFO, "test", "began with %s", first);
	sense_worker_flush(worker);
	while (!sense_worker_stopping(worker)) {
		uint64_t ticket = sense_mailbox_ticket(box);
		if (!ticket || ticket == seen) {
			usleep(1000);
			continue;
		}
		const struct sense_letter *letter = sense_mailbox_letter(box);
		const char *text = text_of(letter->block, letter->len);
		seen = ticket;
		atomic_store(&worker->shared->page->loading, ticket);
		if (strstr(text, "crash"))
			raise(SIGKILL);
		if (strstr(text, "lie"))
			loaded_tell(worker, ticket + 7, "");
		loaded_tell(worker, ticket, text);
		atomic_store(&worker->shared->page->loading, 0);
		if (strstr(text, "end"))
			return 0;
	}
	return 0;
}

static struct sense_outcome run(const char *first, const char *const *texts, const char *last_good,
                                enum sense_status *status)
{
	struct sense_outcome outcome;
	struct sense_crew crew;
	struct sense_source sources[] = {{.name = "one.pcap", .fd = -1}, {.name = "two.pcap", .fd = -1}, {.name = "three.pcap", .fd = -1}};
	struct sense_policies policies = {.read = disk_read, .last_good = last_good};
	said[0] = '\0';
	disk = first;
	next_texts = texts;
	ticks = 0;
	if (sense_crew_new(&crew, workers, 16, 4096, NULL))
		abort();
	struct sense_job job = {
	    .sources = sources,
	    .source_count = workers,
	    .crew = &crew,
	    .worker_main = obeys,
	    .policies = &policies,
	    .sink = {.message = on_message, .tick = on_tick},
	};
	*status = sense_supervisor_run(&job, &outcome, &err);
	sense_crew_free(&crew);
	return outcome;
}

static void supervised(void)
{
	enum sense_status status;
	char kept[] = "/tmp/sense-test-XXXXXX";
	const char *const several[] = {"two", "bad", "", "lie end", NULL};
	struct sense_outcome outcome = run("one", several, NULL, &status);
	ok(status == SENSE_OK && outcome.complete && !outcome.failures,
	   "reloads that fail take nothing from a run");
	ok(strstr(said, "generation 2: 3 rules in 1 file, loaded"), "a set that loads is the next generation");
	ok(strstr(said, "1 problem in the policies; generation 2 (3 rules in 1 file) goes on"),
	   "one that does not is none");
	ok(strstr(said, "no disk\nthe policies cannot be read; generation 2"), "nor one that cannot be read");
	ok(strstr(said, "generation 3: "), "what a worker says of another is not taken");

	outcome = run("one", (const char *[]){"two", "crash", "end", NULL}, NULL, &status);
	ok(status == SENSE_OK && outcome.complete, "a set that a worker dies of does not end the run");
	is_num(outcome.restarts, 1, "it costs a worker");
	ok(strstr(said, "while the policies were loaded: the worker died by signal 9"), "is said");
	ok(strstr(said, "began with two"), "the next worker begins with the set before it");
	ok(strstr(said, "generation 3: "), "and loads the next one");

	outcome = run("bad", NULL, NULL, &status);
	ok(status == SENSE_OK && outcome.failures == 1 && !outcome.complete,
	   "a first set that does not load ends the run");
	outcome = run(NULL, NULL, NULL, &status);
	is_num(status, SENSE_E_CONFIG, "so does one that cannot be read");
	is_str(err.message, "no disk", "with the reason");

	int fd = mkstemp(kept);
	close(fd);
	outcome = run("one end", (const char *[]){"two end", NULL}, kept, &status);
	for (unsigned i = 0; i < 3; i++) {
		const char *first[] = {"bad", "crash", NULL};
		outcome = run(first[i], (const char *[]){"end", NULL}, kept, &status);
		ok(status == SENSE_OK && outcome.complete && strstr(said, "began with two end"),
		   "%s: begins with the last good set", first[i] ? first[i] : "unreadable");
		/* "end" was loaded, and kept. */
		outcome = run("two end", (const char *[]){"two end", NULL}, kept, &status);
	}
	unlink(kept);
}

static void quarantine(void)
{
	struct sense_shared shared;
	unsigned put = 0;
	if (sense_shared_new(&shared, 16, 64, NULL))
		abort();
	struct sense_worker worker = {.shared = &shared};
	const struct sense_worker_rule before[] = {{"a", 1}, {"b", 2}};
	const struct sense_worker_rule after[] = {{"c", 3}, {"b", 2}, {"a", 9}};
	sense_worker_rules(&worker, before, 2);
	sense_worker_rule_counts(&worker, 1, &(struct sense_rule_counts){.errors = 5});
	ok(sense_shared_quarantine(&shared, 1) && !sense_shared_quarantined(&shared, 0),
	   "a rule in quarantine");
	sense_shared_quarantine(&shared, 0);
	sense_worker_rules(&worker, after, 3);
	ok(sense_shared_quarantined(&shared, 1), "stays there with the same text, under whatever number");
	ok(!sense_shared_quarantined(&shared, 2), "and is free with another");
	is_num(atomic_load(&shared.rules[1].errors), 5, "its count goes on");
	sense_worker_rule_counts(&worker, 1, &(struct sense_rule_counts){.errors = 2});
	is_num(atomic_load(&shared.rules[1].errors), 7, "and up");
	is_num(atomic_load(&shared.rules[0].errors), 0, "a new rule begins at 0");
	for (unsigned i = 0; i < 2 * SENSE_QUARANTINE_MAX; i++)
		put += sense_shared_quarantine(&shared, 0);
	is_num(put, SENSE_QUARANTINE_MAX - 2, "it is bounded");
	sense_shared_free(&shared);
}

int main(void)
{
	bundles();
	requests();
	mailbox();
	quarantine();
	supervised();
	return tap_done();
}

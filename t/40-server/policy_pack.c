/* Policies packed, written out again, and checked in a process of their own. */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/policy/pack.h"
#include "server/policy/vet.h"
#include "t/tap.h"

static char root[64];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info, (void)kind, (void)walk;
	return remove(path);
}

static const char *below(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", root, name);
	return path;
}

static void dir_make(const char *name)
{
	mkdir(below(name), 0755);
}

static void file_put(const char *name, const char *text)
{
	FILE *out = fopen(below(name), "w");
	fputs(text, out);
	fclose(out);
}

static enum sense_status pack_of(const char *dir, struct sense_pack *out, sense_error *err)
{
	struct sense_policy_sources sources;
	sense_policy_sources_init(&sources);
	*out = (struct sense_pack){0};
	enum sense_status status = sense_pack_read(dir, &sources, err);
	if (!status)
		status = sense_pack_make(&sources, out, err);
	sense_policy_sources_fini(&sources);
	return status;
}

#define RULE(id)                                                                                        \
	"rule \"" id "\" { title = \"A service\", severity = \"low\", on = \"flow.classified\", "       \
	"match = { service = { category = { \"chat\" } } }, throttle = { by = { \"src_ip\" }, every = " \
	"\"1h\" } }\n"

/* ---- packing ------------------------------------------------------------------------------------------ */

static void packing(void)
{
	sense_error err;
	struct sense_pack one, other, taken;
	char hex[SENSE_PACK_HEX];
	dir_make("one");
	dir_make("one/a");
	file_put("one/a/b.lua", RULE("t.b"));
	file_put("one/a-b.lua", RULE("t.a"));
	file_put("one/z.lua", "");
	file_put("one/a-b_test.lua", "not for agents");
	file_put("one/notes.txt", "nor this");
	is_num(pack_of(below("one"), &one, &err), SENSE_OK, "a directory is packed");
	is_num(one.files, 3, "its policies, without tests and other files");

	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;
	char names[200] = "";
	sense_wire_bundle_get(&bundle, one.bytes, one.len);
	while (sense_wire_bundle_next(&bundle, &file))
		snprintf(names + strlen(names), sizeof names - strlen(names), "%.*s ", (int)file.name.len,
		         file.name.text);
	is_str(names, "a-b.lua a/b.lua z.lua ", "in the order of their bytes, not of folders");

	/* Made in another order, with other times and modes. */
	dir_make("two");
	file_put("two/z.lua", "");
	dir_make("two/a");
	file_put("two/a/b.lua", RULE("t.b"));
	chmod(below("two/a/b.lua"), 0400);
	file_put("two/a-b.lua", RULE("t.a"));
	is_num(pack_of(below("two"), &other, &err), SENSE_OK, "another with the same files");
	ok(one.len == other.len && !memcmp(one.bytes, other.bytes, one.len),
	   "is the same bundle, byte for byte");
	sense_pack_hex(one.hash, hex);
	is_num(strlen(hex), 64, "its name has 64 digits: %s", hex);
	sense_pack_fini(&other);

	file_put("two/z.lua", " ");
	pack_of(below("two"), &other, &err);
	ok(memcmp(one.hash, other.hash, sizeof one.hash) != 0, "one byte more is another");
	is_num(sense_pack_take(other.bytes, other.len, one.hash, &taken, &err), SENSE_E_FORMAT,
	       "bytes of another hash are not taken: %s", err.message);
	is_num(sense_pack_take(one.bytes, one.len - 1, one.hash, &taken, &err), SENSE_E_FORMAT,
	       "nor what is cut: %s", err.message);
	is_num(sense_pack_take(one.bytes, one.len, one.hash, &taken, &err), SENSE_OK, "what it is, is");
	sense_pack_fini(&other);

	is_num(sense_pack_write(&taken, below("out"), &err), SENSE_OK, "its files are written");
	is_num(pack_of(below("out"), &other, &err), SENSE_OK, "and packed again");
	ok(!memcmp(one.hash, other.hash, sizeof one.hash), "they are the same bundle");
	is_num(sense_pack_write(&taken, below("out"), &err), SENSE_E_CONFIG, "nothing is written over: %s",
	       err.message);
	sense_pack_fini(&other);
	sense_pack_fini(&taken);
	sense_pack_fini(&one);
}

static void refused(void)
{
	sense_error err;
	struct sense_pack pack;
	dir_make("empty");
	is_num(pack_of(below("empty"), &pack, &err), SENSE_E_CONFIG, "a directory without policies: %s",
	       err.message);
	dir_make("odd");
	file_put("odd/my rule.lua", RULE("t.a"));
	is_num(pack_of(below("odd"), &pack, &err), SENSE_E_CONFIG, "a name that agents do not take");
	ok(strstr(err.message, "odd/my rule.lua") != NULL, "is said: %s", err.message);
	ok(pack_of(below("nowhere"), &pack, &err) != SENSE_OK, "what is not there: %s", err.message);
}

/* A bundle can be made by hand so that its export would leave the directory, were it taken. */
static void outside(void)
{
	static const char *const names[] = {"../x.lua", "/etc/x.lua", "a/../../x.lua", ".x.lua", "a//x.lua"};
	sense_error err;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		uint8_t bytes[128];
		struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
		struct sense_pack pack;
		uint8_t hash[SENSE_PACK_HASH] = {0};
		sense_wire_put_map(&writer, 2);
		sense_wire_put_string(&writer, "format");
		sense_wire_put_uint(&writer, 1);
		sense_wire_put_string(&writer, "files");
		sense_wire_put_array(&writer, 1);
		sense_wire_put_array(&writer, 2);
		sense_wire_put_string(&writer, names[i]);
		sense_wire_put_bytes(&writer, "x", 1);
		is_num(sense_pack_take(bytes, writer.len, hash, &pack, &err), SENSE_E_FORMAT, "%s: %s",
		       names[i], err.message);
	}
}

/* ---- checking ----------------------------------------------------------------------------------------- */

static struct {
	unsigned rules, problems;
	char first[512];
	sense_error err;
} vetted;

static enum sense_status vet(const char *text)
{
	struct sense_policy_sources sources;
	struct sense_report report;
	sense_policy_sources_init(&sources);
	sense_report_init(&report);
	memset(&vetted, 0, sizeof vetted);
	sense_policy_source_add(&sources, "good.lua", "good", RULE("t.good"), strlen(RULE("t.good")), NULL);
	sense_policy_source_add(&sources, "dir/new.lua", "new", text, strlen(text), NULL);
	enum sense_status status = sense_vet_policies(&sources, &vetted.rules, &report, &vetted.err);
	vetted.problems = report.count;
	if (report.count)
		sense_problem_format(&report.items[0], vetted.first, sizeof vetted.first);
	sense_report_fini(&report);
	sense_policy_sources_fini(&sources);
	return status;
}

static void checking(void)
{
	is_num(vet(RULE("t.b")), SENSE_OK, "good policies are taken");
	is_num(vetted.rules, 2, "with all their rules");
	is_num(vet("rule \"t.x\" { title = \"x\", severty = \"low\" }"), SENSE_E_CONFIG,
	       "a mistake is found");
	ok(strstr(vetted.first, "dir/new.lua:1: rule \"t.x\": ") == vetted.first &&
	       strstr(vetted.first, "severity"),
	   "with file, line, rule and what was meant: %s", vetted.first);
	is_num(vet("rule \"t.good\" { title = \"x\", severity = \"low\", on = \"flow.end\" }"),
	       SENSE_E_CONFIG, "one id twice: %s", vetted.first);
	is_num(vet("x ="), SENSE_E_CONFIG, "no Lua at all: %s", vetted.first);
	is_num(vet("\x1bLJ\x02"), SENSE_E_CONFIG, "bytecode: %s", vetted.first);
	is_num(vet("while true do end"), SENSE_E_CONFIG, "what does not end: %s%s", vetted.first,
	       vetted.err.message);
	is_num(vet("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end"), SENSE_E_CONFIG,
	       "what takes all memory: %s", vetted.first);
	is_num(vet("local s = ('a'):rep(200) s:find(('a?'):rep(200) .. ('a'):rep(200))"), SENSE_E_CONFIG,
	       "a pattern that takes for ever: %s%s", vetted.first, vetted.err.message);
	is_num(vet("os.exit(0)"), SENSE_E_CONFIG, "what would end the check: %s", vetted.first);
	is_num(vet(RULE("t.b")), SENSE_OK, "and the next one is taken as ever");
}

/* Of the process that checks, as the system tells it while it does: the one child of `parent`. "": there is
 * none. */
static const char *child_status(pid_t parent)
{
	static char text[4096];
	char path[96];
	int child = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
	FILE *in = fopen(path, "r");
	if (in && fscanf(in, "%d", &child) != 1)
		child = 0;
	if (in)
		fclose(in);
	snprintf(path, sizeof path, "/proc/%d/status", child);
	text[0] = '\0';
	in = child ? fopen(path, "r") : NULL;
	if (in)
		text[fread(text, 1, sizeof text - 1, in)] = '\0';
	if (in)
		fclose(in);
	return text;
}

static void locked_down(void)
{
	char seen[4096] = "";
	pid_t pid = fork();
	if (!pid) {
		/* It takes its time in a policy: until the limit for one file, again and again. */
		for (unsigned i = 0; i < 50; i++)
			vet("while true do end");
		_exit(0);
	}
	for (unsigned i = 0; i < 4000 && !strstr(seen, "Seccomp:\t2"); i++, usleep(1000))
		snprintf(seen, sizeof seen, "%s", child_status(pid));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(strstr(seen, "Seccomp:\t2") != NULL, "the child can make few system calls");
	ok(strstr(seen, "CapEff:\t0000000000000000") && strstr(seen, "CapPrm:\t0000000000000000") &&
	       strstr(seen, "NoNewPrivs:\t1"),
	   "has no privilege, and gets none");
	ok(geteuid() || strstr(seen, "Uid:\t65534\t65534"), "and is nobody");
}

int main(void)
{
	alarm(300); /* a test never hangs */
	snprintf(root, sizeof root, "/tmp/sense-pp-XXXXXX");
	if (!mkdtemp(root))
		return 1;
	packing();
	refused();
	outside();
	checking();
	locked_down();
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}

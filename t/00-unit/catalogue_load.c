/* A malformed catalogue is refused with file, line and what is expected; nothing is guessed. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/catalogue/catalogue.h"
#include "core/catalogue/internal.h"
#include "core/catalogue/pattern.h"
#include "core/catalogue/tsv.h"
#include "t/tap.h"

#define SERVICES "service_id\tname\tvendor\tcategory\trisk_tier\tdomain\tmatch\tshared\tgrade\tsources\n"
#define GOOD "a\tA\tV\tchat\thigh\ta.ai\tsuffix\t0\tB\ts\n"
#define RUNTIMES                                                                                    \
	"id\tname\tclass\trisk_tier\tprocess_names\targv_patterns\tdefault_ports\tconfig_paths\t"   \
	"model_or_data_paths\tunattended_flags\tgrade\tsources\n"
#define WIRE "kind\tpattern\tmatch\tmethod\tlabel\tweight\tgrade\tnote\tsources\n"

typedef enum sense_status adder(sense_catalogue *, const char *, char *, size_t, sense_error *);

/* The message that the text is refused with; "" when it is taken. */
static const char *refused(adder *add, const char *text, size_t len)
{
	static sense_error err;
	sense_catalogue *c = sense_catalogue_new(NULL);
	char *copy = sense_arena_strndup(&c->arena, text, len);
	memset(&err, 0, sizeof err);
	if (!add(c, "x.tsv", copy, len, &err))
		err.message[0] = '\0';
	sense_catalogue_free(c);
	return err.message;
}

static void expect(adder *add, const char *text, const char *wanted)
{
	const char *message = refused(add, text, strlen(text));
	bool good = *wanted ? strstr(message, wanted) != NULL : !*message;
	if (!ok(good, "%s", *wanted ? wanted : "taken"))
		fprintf(stderr, "#   got '%s'\n", message);
}

static void services(void)
{
	adder *add = sense_catalogue_add_services;
	expect(add, SERVICES GOOD, "");
	expect(add, "# note\n" SERVICES "# note\n" GOOD, "");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta.ai\tsuffix\t0\tB\ts", ""); /* no LF at the end */
	expect(add, "", "x.tsv:0: no line with the names of the columns");
	expect(add, "service_id\tname\n", "x.tsv:1: column 'vendor' is missing");
	expect(add, "service_id\ttitle\n", "column 2 is 'title', expected 'name'");
	expect(add, SERVICES GOOD "a\tA\n", "x.tsv:3: 2 fields, expected 10");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta.ai\tsuffix\t0\tB\ts\tx\n", "11 fields, expected 10");
	expect(add, SERVICES "\n" GOOD, "x.tsv:2: empty line");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta.ai\tsuffix\t0\tB\ts\r\n", "control character 0x0d");
	expect(add, SERVICES "a\tA\tV\tchats\thigh\ta.ai\tsuffix\t0\tB\ts\n",
	       "category 'chats' is not known; did you mean 'chat'?");
	expect(add, SERVICES "a\tA\tV\tchat\tdire\ta.ai\tsuffix\t0\tB\ts\n", "risk_tier 'dire' is not known");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta.ai\tregex\t0\tB\ts\n", "match 'regex' is not known");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta.ai\tsuffix\tyes\tB\ts\n", "shared 'yes'");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta.ai\tsuffix\t0\tE\ts\n", "grade 'E'");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta.ai\tsuffix\t0\tB\t\n", "sources is empty");
	expect(add, SERVICES "A B\tA\tV\tchat\thigh\ta.ai\tsuffix\t0\tB\ts\n", "service_id 'A B'");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\tA.ai\tsuffix\t0\tB\ts\n", "lower case");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\tai\tsuffix\t0\tB\ts\n", "two labels or more");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\t-a.ai\tsuffix\t0\tB\ts\n", "begins or ends with '-'");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\ta..ai\tsuffix\t0\tB\ts\n", "a label that is empty");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\t*.a.ai\tsuffix\t0\tB\ts\n", "its match is 'glob'");
	expect(add, SERVICES "a\tA\tV\tchat\thigh\tb.a.ai\tglob\t0\tB\ts\n", "has no '*'");
	expect(add, SERVICES GOOD GOOD, "x.tsv:3: domain 'a.ai' is there already with the same match");
	expect(add, SERVICES GOOD "a\tA\tV\tapi\thigh\tb.ai\tsuffix\t0\tB\ts\n",
	       "x.tsv:3: service 'a' is 'A, V, chat, high' in an earlier row");
	is_str(refused(add, SERVICES "a\0b\n", sizeof SERVICES + 3),
	       "x.tsv:2: control character 0x00 in column 2; lines end with LF and fields are separated by tabs",
	       "a NUL is named");
	char *big = calloc(1, SENSE_TSV_LINE_MAX + 200);
	strcpy(big, SERVICES);
	memset(big + strlen(big), 'a', SENSE_TSV_LINE_MAX + 1);
	expect(add, big, "at most 4096 are taken");
	free(big);
}

static void many_rows(void)
{
	size_t len = 0, room = (SENSE_TSV_ROWS_MAX + 2) * 64 + sizeof SERVICES;
	char *text = malloc(room);
	len += (size_t)snprintf(text, room, SERVICES);
	for (unsigned i = 0; i <= SENSE_TSV_ROWS_MAX; i++)
		len += (size_t)snprintf(text + len, room - len, "s%u\tA\tV\tchat\thigh\tx%u.ai\tsuffix\t0\tB\ts\n", i, i);
	expect(sense_catalogue_add_services, text, "more than 20000 rows");
	free(text);
}

static void runtimes(void)
{
	adder *add = sense_catalogue_add_runtimes;
	expect(add, RUNTIMES "o\tO\tlocal-llm\tlow\t\t\t11434;80\t\t\t\tA\ts\n", "");
	expect(add, RUNTIMES "o\tO\tlocal-lm\tlow\t\t\t1\t\t\t\tA\ts\n", "did you mean 'local-llm'?");
	expect(add, RUNTIMES "o\tO\tlocal-llm\tlow\t\t\t0\t\t\t\tA\ts\n", "ports from 1 to 65535");
	expect(add, RUNTIMES "o\tO\tlocal-llm\tlow\t\t\t65536\t\t\t\tA\ts\n", "ports from 1 to 65535");
	expect(add, RUNTIMES "o\tO\tlocal-llm\tlow\t\t\t-1\t\t\t\tA\ts\n", "ports from 1 to 65535");
	expect(add, RUNTIMES "o\tO\tlocal-llm\tlow\t\t\t80;\t\t\t\tA\ts\n", "ports from 1 to 65535");
	expect(add, RUNTIMES "o\tO\tlocal-llm\tlow\t\t\t80,81\t\t\t\tA\ts\n", "ports from 1 to 65535");
	expect(add, RUNTIMES "o\tO\tlocal-llm\tlow\t\t\t\t\t\t\tA\ts\no\tP\tlocal-llm\tlow\t\t\t\t\t\t\tA\ts\n",
	       "x.tsv:3: id 'o' is there already");
}

static void wire(void)
{
	adder *add = sense_catalogue_add_wire;
	expect(add, WIRE "http_path\t/v1/{m}:(a|b)\ttemplate\tGET;POST\tL\tweak\tA\t\ts\n", "");
	expect(add, WIRE "ja4\tt13\texact\t*\tL\tweak\tA\t\ts\n", "");
	expect(add, WIRE "http_paths\t/\ttemplate\tGET\tL\tweak\tA\t\ts\n", "did you mean 'http_path'?");
	expect(add, WIRE "http_path\t/x\ttemplate\tGET,POST\tL\tweak\tA\t\ts\n", "method 'GET,POST' is not known");
	expect(add, WIRE "http_path\t/x\ttemplate\tget\tL\tweak\tA\t\ts\n", "method 'get' is not known");
	expect(add, WIRE "http_path\t/x\tregex\tGET\tL\tweak\tA\t\ts\n", "match 'regex'");
	expect(add, WIRE "http_path\t/x\ttemplate\tGET\tL\thuge\tA\t\ts\n", "weight 'huge'");
	expect(add, WIRE "http_path\tx\ttemplate\tGET\tL\tweak\tA\t\ts\n", "must begin with '/'");
	expect(add, WIRE "http_path\t/{a}{b}\ttemplate\tGET\tL\tweak\tA\t\ts\n", "two placeholders");
	expect(add, WIRE "http_path\t/{a\ttemplate\tGET\tL\tweak\tA\t\ts\n", "small letters within");
	expect(add, WIRE "http_path\t/(a|b\ttemplate\tGET\tL\tweak\tA\t\ts\n", "one '(' with its ')'");
	expect(add, WIRE "http_path\t/a|b\ttemplate\tGET\tL\tweak\tA\t\ts\n", "without its opening bracket");
	expect(add, WIRE "http_path\t/{a}\tsuffix\tGET\tL\tweak\tA\t\ts\n", "plain text only");
	expect(add, WIRE "http_path\t/x\ttemplate\tGET\tL\tweak\tA\t\ts\nhttp_path\t/x\ttemplate\tGET;POST\tL\tweak\tA\t\ts\n",
	       "x.tsv:3: pattern '/x' is there already");
}

static void patterns(void)
{
	static const struct {
		const char *pattern;
		enum sense_pattern_kind kind;
		const char *path;
		bool matches;
	} cases[] = {
	    {"/v1/models", 0, "/v1/models", true},         {"/v1/models", 0, "/v1/models/", true},
	    {"/v1/models", 0, "/v1/models/x", false},      {"/v1/models", 0, "/v1/model", false},
	    {"/v1/models", 0, "/x/v1/models", false},      {"/v1/models", 0, "/V1/models", false},
	    {"/m/{m}:run", 0, "/m/a:run", true},           {"/m/{m}:run", 0, "/m/:run", false},
	    {"/m/{m}:run", 0, "/m/a/b:run", false},        {"/m/{m}:run", 0, "/m/a:runs", false},
	    {"/m/{m}:run", 0, "/m/a:run:run", true},       {"/{a}/x/{b}", 0, "/1/x/2", true},
	    {"/{a}/x/{b}", 0, "/1/x/", false},             {"/{a}/x/{b}", 0, "//x/2", false},
	    {"/m/{m}:(get|put)", 0, "/m/a:put", true},     {"/m/{m}:(get|put)", 0, "/m/a:get", true},
	    {"/m/{m}:(get|put)", 0, "/m/a:pu", false},     {"/m/(get|put)/x", 0, "/m/put/x", true},
	    {"/m/(get|put)/x", 0, "/m/get", false},        {"/a.v1.", 1, "/a.v1.Chat/Stream", true},
	    {"/a.v1.", 1, "/a.v1.", true},                 {"/a.v1.", 1, "/a.v1", false},
	    {"/{o}/{m}/resolve/{r}/", 1, "/a/b/resolve/main/x.bin", true},
	    {"/{o}/{m}/resolve/{r}/", 1, "/a/b/resolve/main", false},
	    {"/mcp/", 1, "/mcp/x", true},                  {"/mcp/", 1, "/mcpx", false},
	    {"/chat/completions", 2, "/llm/v2/chat/completions", true},
	    {"/chat/completions", 2, "/xchat/completions", false},
	    {"/chat/completions", 2, "/chat/completions/x", false},
	    {"/x", 0, "", false},                          {"/", 0, "/", true},
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		is_num(sense_pattern_matches(cases[i].pattern, cases[i].kind, cases[i].path, strlen(cases[i].path)),
		       cases[i].matches, "%s %s %s", cases[i].pattern, cases[i].matches ? "takes" : "leaves",
		       cases[i].path);
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, file);
	FILE *f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void folders(void)
{
	char dir[] = "/tmp/sense-catalogue-XXXXXX";
	char command[300];
	sense_error err;
	ok(!sense_catalogue_load("/nonexistent", &err) && strstr(err.message, "/nonexistent/VERSION"),
	   "a missing folder is named");
	if (!mkdtemp(dir))
		return;
	static const char *const versions[][2] = {
	    {"", "VERSION:1: expected the number"},  {"x\n", "VERSION:1: expected the number"},
	    {"9 1\n", "this build reads format 1"}, {"1 a b\n", "must be one word"},
	    {"1 a\nb\n", "must be one word"},        {"1 \n", "must be one word"}};
	for (unsigned i = 0; i < sizeof versions / sizeof *versions; i++) {
		put(dir, "VERSION", versions[i][0]);
		if (!ok(!sense_catalogue_load(dir, &err) && strstr(err.message, versions[i][1]), "%s", versions[i][1]))
			fprintf(stderr, "#   got '%s'\n", err.message);
	}
	put(dir, "VERSION", "1 test\n");
	put(dir, "services.tsv", SERVICES GOOD);
	put(dir, "runtimes.tsv", RUNTIMES);
	put(dir, "wire.tsv", WIRE "bad\n");
	ok(!sense_catalogue_load(dir, &err) && strstr(err.message, "/wire.tsv:2: 1 fields, expected 9"),
	   "a bad row fails the load, with path and line");
	put(dir, "wire.tsv", WIRE);
	sense_catalogue *c = sense_catalogue_load(dir, &err);
	ok(c && !strcmp(sense_catalogue_version(c), "test"), "a good folder loads");
	sense_catalogue_free(c);
	snprintf(command, sizeof command, "%s/wire.tsv", dir);
	unlink(command);
	mkdir(command, 0700);
	ok(!sense_catalogue_load(dir, &err) && strstr(err.message, "not a regular file"), "a folder is no file");
	snprintf(command, sizeof command, "rm -r %s", dir);
	if (system(command))
		fprintf(stderr, "# %s is left behind\n", dir);
}

int main(void)
{
	services();
	many_rows();
	runtimes();
	wire();
	patterns();
	folders();
	return tap_done();
}

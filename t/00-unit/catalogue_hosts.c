/* Host look-ups: on a small table of our own, then on the shipped catalogue. */
#include <stdlib.h>
#include <time.h>

#include "core/catalogue/catalogue.h"
#include "core/catalogue/hosts.h"
#include "core/catalogue/internal.h"
#include "t/tap.h"

#define HEAD "service_id\tname\tvendor\tcategory\trisk_tier\tdomain\tmatch\tshared\tgrade\tsources\n"
#define ROW(id, domain, match, shared, grade)                                                       \
	id "\tN\tV\tchat\thigh\t" domain "\t" match "\t" shared "\t" grade "\ts\n"

static sense_catalogue *small(void)
{
	static const char text[] = HEAD ROW("openai", "openai.com", "suffix", "0", "B")
	    ROW("api", "api.openai.com", "exact", "0", "A")
	    ROW("eu", "eu.openai.com", "suffix", "0", "C")
	    ROW("azure", "*.openai.azure.com", "glob", "0", "B")
	    ROW("azure-one", "one.openai.azure.com", "exact", "0", "B")
	    ROW("azure-all", "openai.azure.com", "suffix", "0", "B")
	    ROW("vertex", "*-aiplatform.googleapis.com", "glob", "0", "C")
	    ROW("plan", "token-plan.*.maas.*.aliyuncs.com", "glob", "0", "A")
	    ROW("shared", "notion.so", "suffix", "1", "A")
	    ROW("invented", "invented.ai", "suffix", "0", "D")
	    ROW("unsure", "unsure.ai", "suffix", "0", "U");
	sense_error err;
	sense_catalogue *c = sense_catalogue_new(NULL);
	char *copy = sense_arena_strndup(&c->arena, text, sizeof text - 1);
	if (!ok(!sense_catalogue_add_services(c, "small.tsv", copy, sizeof text - 1, &err), "small table"))
		fprintf(stderr, "# %s\n", err.message);
	return c;
}

static const char *id_of(const sense_catalogue *c, const char *host)
{
	const struct sense_host_row *row = sense_catalogue_host(c, host, strlen(host));
	return row ? row->service->id : "-";
}

static void matching(const sense_catalogue *c)
{
	static const struct {
		const char *host, *id;
	} cases[] = {
	    {"openai.com", "openai"}, {"chat.openai.com", "openai"}, {"a.b.c.openai.com", "openai"},
	    {"notopenai.com", "-"}, {"xopenai.com", "-"}, {"api-openai.com", "-"},
	    {"openai.com.evil.example", "-"}, {"openai.co", "-"}, {"openai.comx", "-"}, {"com", "-"},
	    {"", "-"}, {".", "-"}, {".openai.com", "openai"}, {"openai.com.", "-"}, {"openai", "-"},
	    {"OPENAI.COM", "-"}, /* callers give lower case */
	    {"api.openai.com", "api"}, {"x.api.openai.com", "openai"}, /* exact is that name alone */
	    {"eu.openai.com", "eu"}, {"x.eu.openai.com", "eu"},        /* the longest suffix */
	    {"xeu.openai.com", "openai"},
	    {"one.openai.azure.com", "azure-one"}, /* exact before glob */
	    {"two.openai.azure.com", "azure"},     /* glob before suffix */
	    {"openai.azure.com", "azure-all"},     /* a star is one character at least */
	    {"a.b.openai.azure.com", "azure"}, {"openai.azure.com.evil.example", "-"},
	    {"us-central1-aiplatform.googleapis.com", "vertex"}, {"-aiplatform.googleapis.com", "-"},
	    {"aiplatform.googleapis.com", "-"}, {"xaiplatform.googleapis.com", "-"},
	    {"token-plan.eu.maas.x.aliyuncs.com", "plan"}, {"token-plan..maas.x.aliyuncs.com", "-"},
	    {"token-plan.eu.maas.aliyuncs.com", "-"}, {"token-planx.eu.maas.x.aliyuncs.com", "-"},
	    {"token-plan.a.maas.b.maas.c.aliyuncs.com", "plan"}, {"aliyuncs.com", "-"},
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		is_str(id_of(c, cases[i].host), cases[i].id, "'%s' is %s", cases[i].host, cases[i].id);
	char name[600];
	memset(name, 'a', sizeof name);
	memcpy(name + sizeof name - 11, ".openai.com", 11);
	ok(!sense_catalogue_host(c, name, sizeof name), "a name of 600 characters is none");
	ok(sense_catalogue_host(c, name + 400, 200), "one of 200 is");
	ok(!sense_catalogue_host(c, "openai.com\0x", 12), "a NUL is no end");
}

static void flags(const sense_catalogue *c)
{
	const struct sense_host_row *row = sense_catalogue_host(c, "x.notion.so", 11);
	ok(row && row->shared && !row->conclusive, "shared is never conclusive");
	row = sense_catalogue_host(c, "invented.ai", 11);
	ok(row && row->grade == 'D' && !row->conclusive, "nor is grade D");
	row = sense_catalogue_host(c, "unsure.ai", 9);
	ok(row && row->grade == 'U' && !row->conclusive, "nor grade U");
	row = sense_catalogue_host(c, "eu.openai.com", 13);
	ok(row && row->grade == 'C' && row->conclusive, "grade C is");
	ok(row && sense_catalogue_row(c, row->index) == row, "a row is found by its index");
	ok(!sense_catalogue_row(c, sense_catalogue_row_count(c)), "no row past the last");
	ok(sense_catalogue_service(c, "openai") && !sense_catalogue_service(c, "open"), "service by id");
}

/* A star-heavy pattern against a name made to be slow for a matcher that goes back. */
static void no_blow_up(void)
{
	struct sense_arena arena;
	struct sense_hosts hosts;
	char host[254];
	sense_arena_init(&arena, 0);
	sense_hosts_init(&hosts, &arena, 4);
	ok(!sense_hosts_add(&hosts, "*a*a*a*b.example.com", SENSE_MATCH_GLOB, 1), "a glob of 4 stars");
	ok(sense_hosts_add(&hosts, "*a*a*a*a*b.example.com", SENSE_MATCH_GLOB, 1), "five are refused");
	ok(sense_hosts_add(&hosts, "a**.example.com", SENSE_MATCH_GLOB, 1), "so are two in a row");
	ok(sense_hosts_add(&hosts, "*.com", SENSE_MATCH_GLOB, 1), "and a glob over a whole TLD");
	ok(sense_hosts_add(&hosts, "api.*", SENSE_MATCH_GLOB, 1), "and one that ends in a star");
	memset(host, 'a', sizeof host);
	memcpy(host + 253 - 12, ".example.com", 12);
	is_num(sense_hosts_find(&hosts, host, 253), 0, "the slow name does not match");
	host[253 - 13] = 'b';
	is_num(sense_hosts_find(&hosts, host, 253), 1, "with its 'b' it does");
	sense_arena_fini(&arena);
}

static void shipped(void)
{
	static const struct {
		const char *host, *id;
	} cases[] = {
	    {"api.openai.com", "openai-api"}, {"chatgpt.com", "chatgpt"}, {"claude.ai", "claude"},
	    {"api.anthropic.com", "anthropic-api"}, {"gemini.google.com", "gemini"},
	    {"generativelanguage.googleapis.com", "google-ai-studio"}, {"huggingface.co", "huggingface"},
	    {"api.githubcopilot.com", "github-copilot"}, {"api.mistral.ai", "mistral-api"},
	    {"api.deepseek.com", "deepseek-api"}, {"my-team.openai.azure.com", "azure-openai"},
	    {"bedrock-runtime.eu-central-1.amazonaws.com", "amazon-bedrock"}, {"debian.org", "-"},
	    {"example.com", "-"}, {"wikipedia.org", "-"}, {"notopenai.com", "-"}, {"xopenai.com", "-"},
	    {"api-openai.com", "-"}, {"openai.com.evil.example", "-"}, {"update.googleapis.com", "-"},
	    {"clients2.google.com", "-"}, {"google.com", "-"}, {"amazonaws.com", "-"}, {"s3.amazonaws.com", "-"},
	};
	sense_error err;
	sense_catalogue *c = sense_catalogue_load("policies/catalogue", &err);
	if (!ok(c != NULL, "the shipped catalogue loads")) {
		fprintf(stderr, "# %s\n", err.message);
		return;
	}
	ok(*sense_catalogue_version(c), "it has a version: %s", sense_catalogue_version(c));
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		is_str(id_of(c, cases[i].host), cases[i].id, "%s is %s", cases[i].host, cases[i].id);
	unsigned lost = 0;
	for (unsigned i = 0; i < sense_catalogue_row_count(c); i++) {
		const struct sense_host_row *row = sense_catalogue_row(c, i);
		const struct sense_host_row *found = sense_catalogue_host(c, row->domain, strlen(row->domain));
		/* An exact row of the same name comes before a suffix row; a glob matches other names. */
		if (row->match != SENSE_MATCH_GLOB && found != row && !(found && found->match == SENSE_MATCH_EXACT))
			lost++;
	}
	is_num(lost, 0, "each row is found by its own name");
	if (getenv("SENSE_TEST_TIMING")) {
		static const char *const hosts[] = {"www.debian.org", "static.xx.fbcdn.net", "example.com",
		                                    "a1b2c3.cloudfront.net", "s3.eu-west-1.amazonaws.com"};
		struct timespec from, to;
		uintptr_t sum = 0;
		clock_gettime(CLOCK_MONOTONIC, &from);
		for (unsigned i = 0; i < 10000000; i++)
			sum += (uintptr_t)sense_catalogue_host(c, hosts[i % 5], strlen(hosts[i % 5]));
		clock_gettime(CLOCK_MONOTONIC, &to);
		printf("# %.1f ns a look-up that finds nothing (%d)\n",
		       ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e7, (int)sum);
	}
	sense_catalogue_free(c);
}

int main(void)
{
	sense_catalogue *c = small();
	matching(c);
	flags(c);
	sense_catalogue_free(c);
	no_blow_up();
	shipped();
	return tap_done();
}

#include <math.h>

#include "core/base/arena.h"
#include "core/rules/compose.h"
#include "t/tap.h"
#include "t/world.h"

static const char *const tags[] = {"atlas:AML.T0024"};
static struct sense_rule rule = {.id = "ai.chat",
				 .policy = "chat",
				 .title = "AI chat used",
				 .type = "service",
				 .severity = SENSE_MEDIUM,
				 .confidence = 90,
				 .action = "alert",
				 .tags = tags,
				 .tag_count = 1};
static struct sense_arena arena;

static struct sense_finding compose(const struct world *w, uint64_t sequence, uint64_t suppressed)
{
	struct sense_finding f;
	struct sense_compose how = {.sequence = sequence, .suppressed = suppressed};
	ok(!sense_finding_compose(&rule, &w->event, &how, &arena, &f, NULL), "composed");
	return f;
}

static const struct sense_detail *detail(const struct sense_finding *f, const char *key)
{
	for (unsigned i = 0; i < f->detail_count; i++)
		if (!strcmp(f->details[i].key, key))
			return &f->details[i];
	return NULL;
}

static void service(struct world *w)
{
	uint8_t data[SENSE_FINDING_BYTES_MAX];
	struct sense_finding f = compose(w, 1, 3);

	is_str(f.summary, "Claude (Anthropic) used: claude.ai from 10.1.2.3", "summary");
	is_str(f.evidence[0], "sni:claude.ai (suffix claude.ai, grade B)", "evidence");
	is_num(f.evidence_count, 1, "and no other");
	is_str(f.source_ip, "10.1.2.3", "source");
	is_str(f.dest_ip, "160.79.104.10", "destination");
	ok(f.source_port == 40000 && f.dest_port == 443 && f.timestamp == w->event.ts_us, "ports and time");
	is_str(f.host, "claude.ai", "host");
	is_str(f.service, "claude", "service");
	is_str(f.service_name, "Claude", "its name");
	is_str(f.category, "chat", "its category");
	is_str(f.severity, "medium", "severity");
	ok(!strcmp(f.rule, "ai.chat") && !strcmp(f.policy, "chat") && !strcmp(f.type, "service") &&
	       !strcmp(f.action, "alert") && f.confidence == 90 && f.tag_count == 1,
	   "what the rule says");
	ok(detail(&f, "bytes_up") && detail(&f, "bytes_up")->number == 5000, "detail: bytes up");
	ok(detail(&f, "suppressed") && detail(&f, "suppressed")->number == 3,
	   "detail: how many were held back");
	is_str(detail(&f, "ja4")->string, "t13d1516h2_8daaf6152771_d8a2da3f94cd", "detail: JA4");
	ok(!detail(&f, "path") && !detail(&f, "credential"), "no detail of what was not seen");
	ok(sense_finding_encode(&f, data, sizeof(data)), "it can be sent");

	w->row.shared = true;
	w->row.match = SENSE_MATCH_EXACT;
	w->meta.host_source = SENSE_HOST_INFERRED;
	f = compose(w, 1, 0);
	is_str(f.evidence[0], "inferred:claude.ai (exact, grade B, shared with other traffic)",
	       "other evidence");
	ok(!detail(&f, "suppressed"), "none held back, nothing said");
	w->row.shared = false;
}

static void ids(struct world *w)
{
	struct sense_finding a = compose(w, 1, 0), b = compose(w, 1, 9), c = compose(w, 2, 0);
	uint64_t ms = 0;
	for (unsigned i = 0; i < 6; i++)
		ms = ms << 8 | a.id[i];
	ok(!memcmp(a.id, b.id, 16), "same input, same id");
	ok(memcmp(a.id, c.id, 16), "another sequence, another id");
	is_num(ms, w->event.ts_us / 1000, "the id begins with the time");
	ok(a.id[6] >> 4 == 7 && a.id[8] >> 6 == 2, "UUID version 7, variant of RFC 9562");
	w->flow.key.port_a++;
	c = compose(w, 1, 0);
	ok(memcmp(a.id, c.id, 16), "another flow, another id");
	w->flow.key.port_a--;
	rule.id = "ai.other";
	c = compose(w, 1, 0);
	ok(memcmp(a.id, c.id, 16), "another rule, another id");
	rule.id = "ai.chat";
}

static void kinds(struct world *w)
{
	struct sense_finding f;

	snprintf(w->dns.name, sizeof(w->dns.name), "claude.ai");
	w->event.kind = SENSE_EVENT_DNS;
	w->event.dns = &w->dns;
	f = compose(w, 1, 0);
	is_str(f.summary, "Claude (Anthropic) looked up: claude.ai by 10.1.2.3", "summary of a DNS question");
	is_str(f.evidence[0], "dns:claude.ai (exact, grade B)", "and its evidence");
	w->event.dns = NULL;
	w->event.kind = SENSE_EVENT_FLOW_UPDATE;
	rule.type = "transfer";
	w->flow.bytes[0] = 3565158;
	f = compose(w, 1, 0);
	is_str(f.summary, "3.4 MiB sent to Claude (Anthropic): claude.ai from 10.1.2.3",
	       "summary of a transfer");
	rule.type = "service";

	w->event.host_row = NULL;
	world_str(&w->meta.host, NULL);
	f = compose(w, 1, 0);
	is_str(f.summary, "AI chat used: 160.79.104.10 from 10.1.2.3", "without a service the rule's title");
	ok(!f.service && !f.host && !f.evidence_count, "and no claim of one");
	w->event.flow = NULL;
	f = compose(w, 1, 0);
	is_str(f.summary, "AI chat used: an unknown address from this host", "without a flow, too");
	w->event.flow = &w->flow;

	w->event.kind = SENSE_EVENT_HTTP;
	w->event.http = &w->http;
	w->event.signal = &w->signal;
	snprintf(w->http.method, sizeof(w->http.method), "POST");
	snprintf(w->http.path, sizeof(w->http.path), "/api/chat");
	snprintf(w->http.user_agent, sizeof(w->http.user_agent), "ollama-\xff\x1b[31m");
	w->http.credential = SENSE_CREDENTIAL_OPENAI;
	w->signal.evidence_count = 1;
	snprintf(w->signal.evidence[0], sizeof(w->signal.evidence[0]), "port:11434");
	f = compose(w, 1, 0);
	is_str(f.evidence[0], "http:POST /api/chat", "evidence of a request");
	is_str(f.evidence[1], "port:11434", "of its signal");
	is_str(f.evidence[2], "credential:openai in clear text", "and of a credential: its kind");
	is_str(detail(&f, "user_agent")->string, "ollama-??[31m", "no control characters get through");
}

static unsigned calls;

static enum sense_status good_script(void *self, const struct sense_rule *r, const struct sense_event *event,
				     struct sense_arena *memory, struct sense_finding *f, sense_error *err)
{
	(void)self, (void)r, (void)event, (void)memory, (void)err;
	calls++;
	f->summary = "said by\na script";
	f->severity = "high";
	return SENSE_OK;
}

static enum sense_status wild_script(void *self, const struct sense_rule *r, const struct sense_event *event,
				     struct sense_arena *memory, struct sense_finding *f, sense_error *err)
{
	(void)self, (void)r, (void)event, (void)err;
	char *long_text = sense_arena_alloc(memory, 100001);
	memset(long_text, 'x', 100000);
	f->severity = "apocalyptic";
	f->confidence = 200;
	f->detail_count = SENSE_FINDING_DETAILS_MAX;
	for (unsigned i = 0; i < f->detail_count; i++)
		f->details[i] = (struct sense_detail){.key = long_text, .string = long_text};
	f->details[0] = (struct sense_detail){.key = "n", .type = SENSE_DETAIL_NUMBER, .number = INFINITY};
	f->evidence_count = 100;
	for (unsigned i = 0; i < SENSE_FINDING_EVIDENCE_MAX; i++)
		f->evidence[i] = long_text;
	return SENSE_OK;
}

static enum sense_status bad_script(void *self, const struct sense_rule *r, const struct sense_event *event,
				    struct sense_arena *memory, struct sense_finding *f, sense_error *err)
{
	(void)self, (void)r, (void)event, (void)memory;
	f->summary = NULL;
	f->detail_count = 1000;
	return sense_fail(err, SENSE_E_SCRIPT, "lua", "x.lua:3: no");
}

static enum sense_status full_script(void *self, const struct sense_rule *r, const struct sense_event *event,
				     struct sense_arena *memory, struct sense_finding *f, sense_error *err)
{
	(void)self, (void)r, (void)event, (void)memory, (void)f;
	return sense_fail(err, SENSE_E_MEMORY, "lua", "x.lua:3: not enough memory");
}

static void scripts(struct world *w)
{
	uint8_t data[SENSE_FINDING_BYTES_MAX];
	struct sense_script script = {.finding = good_script};
	struct sense_compose how = {.script = &script};
	struct sense_finding f;
	struct sense_error err;

	sense_finding_compose(&rule, &w->event, &how, &arena, &f, &err);
	is_num(calls, 0, "a rule without a finding function asks no script");
	rule.has_finding = true;
	is_num(sense_finding_compose(&rule, &w->event, &how, &arena, &f, &err), SENSE_OK,
	       "the script is asked");
	is_str(f.summary, "said by?a script", "and its text is cleaned");
	is_str(f.severity, "high", "its severity taken");
	script.finding = wild_script;
	is_num(sense_finding_compose(&rule, &w->event, &how, &arena, &f, &err), SENSE_OK,
	       "a script that goes too far");
	ok(sense_finding_encode(&f, data, sizeof(data)), "still gives a finding that can be sent");
	ok(!strcmp(f.severity, "medium") && f.confidence == 100 &&
	       f.evidence_count == SENSE_FINDING_EVIDENCE_MAX,
	   "within bounds");
	is_str(detail(&f, "n")->string, "infinite", "no number that JSON cannot hold");
	script.finding = bad_script;
	is_num(sense_finding_compose(&rule, &w->event, &how, &arena, &f, &err), SENSE_E_SCRIPT,
	       "a script that fails says so");
	ok(f.summary && sense_finding_encode(&f, data, sizeof(data)), "and loses no finding");
	script.finding = full_script;
	is_num(sense_finding_compose(&rule, &w->event, &how, &arena, &f, &err), SENSE_E_SCRIPT,
	       "one out of memory is one that fails");
	rule.has_finding = false;
}

/* A finding about what a host plugin saw, which has no flow to show for it. */
static struct sense_finding compose_given(const struct sense_given *given, enum sense_event_kind kind)
{
	struct sense_finding f;
	struct sense_compose how = {0};
	struct sense_event event = {.kind = kind, .ts_us = 1, .given = given};
	if (sense_finding_compose(&rule, &event, &how, &arena, &f, NULL))
		abort();
	return f;
}

static void hosts(void)
{
	struct sense_given given = {0};
	struct sense_addr any = {{0}}, four = world_ip4(127, 0, 0, 1);
	sense_given_string(&given, SENSE_FIELD_PROCESS_NAME, "ollama");
	sense_given_string(&given, SENSE_FIELD_PROCESS_COMMAND, "ollama serve");
	struct sense_finding f = compose_given(&given, SENSE_EVENT_PROCESS_START);
	is_str(f.evidence[0], "process:ollama serve", "a process: its command");
	is_num(f.evidence_count, 1, "and no more");
	sense_given_addr(&given, SENSE_FIELD_LISTEN_IP, &four);
	sense_given_number(&given, SENSE_FIELD_LISTEN_PORT, 11434);
	sense_given_string(&given, SENSE_FIELD_TOOL, "ollama");
	f = compose_given(&given, SENSE_EVENT_LISTEN);
	is_str(f.evidence[0], "listen:127.0.0.1:11434", "a listener: its address");
	is_str(f.evidence[1], "process:ollama", "its program");
	is_str(f.evidence[2], "tool:ollama", "what was recognised");
	sense_given_addr(&given, SENSE_FIELD_LISTEN_IP, &any);
	is_str(compose_given(&given, SENSE_EVENT_LISTEN).evidence[0], "listen:[::]:11434", "an address of version 6");
	sense_given_string(&given, SENSE_FIELD_FILE_PATH, "/m/a.gguf");
	is_str(compose_given(&given, SENSE_EVENT_FILE).evidence[0], "file:/m/a.gguf", "a file: its path");
	sense_given_string(&given, SENSE_FIELD_MCP_SERVER, "github");
	is_str(compose_given(&given, SENSE_EVENT_MCP).evidence[0], "mcp:github", "a server of MCP: its name");
	sense_given_string(&given, SENSE_FIELD_INVENTORY_NAME, "torch");
	is_str(compose_given(&given, SENSE_EVENT_INVENTORY).evidence[0], "inventory:torch", "a package: its name");
}

static void activities(struct world *w)
{
	const char *const evidence[] = {"tls: a (rule r)", "dns: b\n (rule s)"};
	struct sense_activity_view view = {.subject = "claude",
					   .kind = "dns",
					   .confidence = 65,
					   .indicators = 2,
					   .since_us = 7,
					   .evidence_count = 2,
					   .evidence = evidence};
	w->row.conclusive = true;
	w->event.host_row = &w->row;
	w->event.kind = SENSE_EVENT_ACTIVITY;
	w->event.activity = &view;
	struct sense_finding f = compose(w, 1, 0);
	ok(f.evidence_count == 2 && !strcmp(f.evidence[0], evidence[0]), "an activity: evidence is its indicators");
	is_str(f.evidence[1], "dns: b? (rule s)", "which is cleaned");
	is_num(f.confidence, 65, "its confidence, not the rule's");
	is_str(f.summary, "Claude used by 10.1.2.3: 2 independent indicators, confidence 65 %", "summary");
	ok(detail(&f, "indicators")->number == 2 && detail(&f, "confidence")->number == 65 &&
	       detail(&f, "since")->number == 7,
	   "details");
	is_str(detail(&f, "subject")->string, "claude", "and the subject");
	view.subject = "a thing";
	view.indicators = 1;
	is_str(compose(w, 1, 0).summary, "a thing used by 10.1.2.3: 1 independent indicator, confidence 65 %",
	       "another subject");
	w->event.kind = SENSE_EVENT_FLOW_CLASSIFIED;
	w->event.activity = NULL;
}

int main(void)
{
	struct world w;
	struct sense_arena tiny;
	struct sense_finding f;
	struct sense_compose how = {0};

	world_init(&w);
	service(&w);
	ids(&w);
	kinds(&w);
	scripts(&w);
	hosts();
	activities(&w);
	bool steady = true, fits = false;
	for (size_t limit = 16; limit < 4096; limit += 16) {
		sense_arena_init(&tiny, limit);
		enum sense_status status = sense_finding_compose(&rule, &w.event, &how, &tiny, &f, NULL);
		steady = steady && (status == SENSE_OK || (status == SENSE_E_MEMORY && !fits));
		fits = fits || status == SENSE_OK;
		sense_arena_fini(&tiny);
	}
	ok(steady && fits, "it is composed when the arena has room, and else says that it has none");
	sense_arena_fini(&arena);
	world_fini(&w);
	return tap_done();
}

/* Activities against a plain model of what they are: a list of indicators, and the formula. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/rules/activity.h"
#include "proto/wire.h"
#include "t/tap.h"
#include "t/world.h"

#define HOUR UINT64_C(3600)
#define DAY (24 * HOUR)
#define EPOCH UINT64_C(1700000000)
#define SUBJECTS 6
#define KINDS 5

static const char *const subjects[SUBJECTS] = {"chatgpt", "claude", "gemini", "mistral", "ollama", "other"};
static const char *const kinds[] = {"dns", "tls",    "http", "file",     "process",
                                    "mcp", "listen", "flow", "inventory"};

static struct sense_rule rule = {.id = "a.rule", .title = "A rule"};

static uint64_t random_state = 1;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % limit;
}

static struct sense_activities attached(void *memory, size_t bytes, uint64_t half_life_s)
{
	struct sense_activities activities;
	if (sense_activities_attach(&activities, memory, bytes, half_life_s * 1000000, NULL))
		abort();
	return activities;
}

/* One indicator about one service, at so many seconds. */
static struct sense_activity_step add(struct sense_activities *activities, struct world *w,
                                      const char *subject, const char *kind, unsigned weight,
                                      uint64_t seconds)
{
	struct sense_activity_step step;
	struct sense_rule given = rule;
	w->service.id = subject;
	w->event.ts_us = (EPOCH + seconds) * 1000000;
	given.indicator = (struct sense_indicator){.kind = kind, .weight = (uint8_t)weight};
	if (!sense_activity_add(activities, &given, &w->event, &step))
		abort();
	return step;
}

static struct sense_activity_report report;

static bool tell(struct sense_activities *activities, const struct sense_activity_step *step,
                 uint64_t seconds)
{
	return sense_activity_tell(activities, step->key, (EPOCH + seconds) * 1000000, step->arrived,
	                           &report);
}

/* ---- the model ------------------------------------------------------------------------------------ */

struct model {
	struct piece {
		double weight;
		uint64_t at;
		bool there, conclusive, reported;
	} pieces[KINDS];
	unsigned told;
	bool told_conclusive;
};

static double left_of(const struct piece *piece, uint64_t now)
{
	double away = fabs((double)now - (double)piece->at);
	return piece->there ? piece->weight * pow(0.5, away / (double)DAY) : 0;
}

/* True when an event is due. *view is what it would say. */
static bool model_add(struct model *model, unsigned kind, unsigned weight, uint64_t now,
                      struct sense_activity_view *view)
{
	struct piece *piece = &model->pieces[kind];
	bool known = left_of(piece, now) >= 1;
	double missed = 1;
	if (!known)
		*piece = (struct piece){0};
	if (weight >= left_of(piece, now)) {
		piece->weight = weight;
		piece->at = now;
	}
	piece->there = true;
	piece->conclusive = piece->conclusive || weight == 100;
	piece->reported = piece->reported || (weight == 100 && !rule.observes);
	*view = (struct sense_activity_view){0};
	for (unsigned i = 0; i < KINDS; i++) {
		double left = left_of(&model->pieces[i], now);
		if (left < 1)
			continue;
		view->indicators++;
		view->conclusive = view->conclusive || model->pieces[i].conclusive;
		view->reported = view->reported || model->pieces[i].reported;
		missed *= 1 - left / 100;
	}
	view->confidence = (uint8_t)lround(100 - 100 * missed);
	bool due =
	    !known || view->confidence >= model->told + 10 || (view->conclusive && !model->told_conclusive);
	if (due) {
		model->told = view->confidence;
		model->told_conclusive = view->conclusive;
	}
	return due;
}

static void against_the_model(void *memory, size_t bytes, struct world *w)
{
	struct model models[SUBJECTS] = {0};
	struct sense_activities activities = attached(memory, bytes, DAY / HOUR * HOUR);
	unsigned wrong = 0, late = 0, early = 0, due_count = 0, forgotten = 0;
	uint64_t now = 0;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned subject = random_below(SUBJECTS), kind = random_below(KINDS);
		unsigned weight = random_below(40) ? 1 + random_below(60) : 100;
		struct sense_activity_view want;
		rule.observes = random_below(2);
		now += random_below(100) ? random_below(2 * HOUR) : 10 * DAY;
		uint64_t at = now - (random_below(10) || now < HOUR ? 0 : random_below(HOUR));
		bool was = models[subject].pieces[kind].there;
		bool due = model_add(&models[subject], kind, weight, at, &want);
		struct sense_activity_step step =
		    add(&activities, w, subjects[subject], kinds[kind], weight, at);
		bool told = tell(&activities, &step, at);
		forgotten += was && step.arrived;
		due_count += due;
		late += due && !told;
		early += told && !due;
		if (told)
			wrong += report.view.confidence != want.confidence ||
			         report.view.indicators != want.indicators ||
			         report.view.conclusive != want.conclusive ||
			         report.view.reported != want.reported ||
			         report.view.evidence_count != want.indicators;
	}
	rule.observes = false;
	is_num(wrong, 0, "20000 indicators: confidence, indicators, conclusive, reported as in the model");
	is_num(late, 0, "an event whenever one is due");
	is_num(early, 0, "and never else");
	ok(due_count > 1000 && forgotten > 100, "%u were due, %u kinds had been forgotten before", due_count,
	   forgotten);
}

/* ---- by example ----------------------------------------------------------------------------------- */

static void arithmetic(void *memory, size_t bytes, struct world *w)
{
	struct sense_activities a = attached(memory, bytes, DAY);
	struct sense_activity_step step = add(&a, w, "chatgpt", "dns", 30, 0);
	ok(step.begun && step.arrived && tell(&a, &step, 0), "the first indicator is told");
	is_num(report.view.confidence, 30, "its weight is the confidence");
	step = add(&a, w, "chatgpt", "dns", 30, 1);
	ok(!step.begun && !step.arrived && !tell(&a, &step, 1), "the same again is nothing new");
	step = add(&a, w, "chatgpt", "dns", 39, 2);
	ok(!tell(&a, &step, 2), "nor is one of that kind with 9 points more");
	step = add(&a, w, "chatgpt", "dns", 40, 3);
	ok(tell(&a, &step, 3) && report.view.confidence == 40, "10 points more are");
	is_num(report.view.indicators, 1, "and it is still one indicator");
	step = add(&a, w, "chatgpt", "tls", 50, 4);
	ok(tell(&a, &step, 4) && report.view.indicators == 2, "another kind is another indicator");
	is_num(report.view.confidence, 70, "1 - 0.6 * 0.5");
	ok(!report.view.conclusive && !report.view.reported, "neither of which proves it");
	step = add(&a, w, "chatgpt", "http", 1, 5);
	ok(tell(&a, &step, 5) && report.view.indicators == 3, "a new kind is told though it adds little");
	step = add(&a, w, "chatgpt", "tls", 100, 6);
	ok(tell(&a, &step, 6) && report.view.conclusive, "a conclusive one is told");
	is_num(report.view.confidence, 100, "and leaves no doubt");
	is_num(report.view.since_us, EPOCH * 1000000, "since the first of what is remembered");
	step = add(&a, w, "chatgpt", "tls", 100, 7);
	ok(!tell(&a, &step, 7), "but once");
	step = add(&a, w, "chatgpt", "dns", 5, DAY + 4);
	ok(!tell(&a, &step, DAY + 4), "what fades is not told");
	step = add(&a, w, "chatgpt", "file", 10, DAY + 4);
	ok(tell(&a, &step, DAY + 4), "the next kind is");
	is_num(report.view.indicators, 3, "after a day an indicator of 1 is forgotten");
	is_num(report.view.confidence, 64, "the others have half their weight: 1 - 0.8 * 0.5 * 0.9");
	ok(report.view.conclusive, "that one was conclusive stays known");
	step = add(&a, w, "chatgpt", "dns", 30, 30 * DAY);
	ok(step.arrived && tell(&a, &step, 30 * DAY) && report.view.indicators == 1,
	   "after a month all is new");
	ok(!report.view.conclusive && report.view.confidence == 30, "with nothing left of before");
	step = add(&a, w, "chatgpt", "dns", 30, 0);
	ok(step.arrived && tell(&a, &step, 0), "a clock that leaps back a month begins anew too");
}

static void texts(void *memory, size_t bytes, struct world *w)
{
	char name[301];
	struct sense_activities a = attached(memory, bytes, DAY);
	struct sense_activity_step step = add(&a, w, "texts", "dns", 30, 0);
	for (unsigned i = 0; i < 2; i++)
		add(&a, w, "texts", "tls", 60, 1);
	tell(&a, &step, 2);
	is_str(report.view.evidence[0], "tls: claude.ai (rule a.rule, 2 times)", "the strongest comes first");
	is_str(report.view.evidence[1], "dns: claude.ai (rule a.rule)", "the others behind it");
	memset(name, 'x', 300);
	name[300] = '\0';
	world_str(&w->meta.host, name);
	step = add(&a, w, "long", "tls", 60, 1);
	tell(&a, &step, 1);
	const char *text = report.view.evidence[0];
	ok(strlen(text) < SENSE_ACTIVITY_TEXT_MAX && strstr(text, "xxx (rule a.rule)"),
	   "a long name is cut: %s", text);
	world_str(&w->meta.host, "a\nb\xff\xc3z\x7f");
	step = add(&a, w, "odd", "tls", 60, 1);
	tell(&a, &step, 1);
	is_str(report.view.evidence[0], "tls: a?b?\?z? (rule a.rule)",
	       "what is not printable is not printed");
	world_str(&w->meta.host, NULL);
	step = add(&a, w, "address", "tls", 60, 1);
	tell(&a, &step, 1);
	is_str(report.view.evidence[0], "tls: 160.79.104.10:443 (rule a.rule)",
	       "an address where there is no name");
	world_str(&w->meta.host, "claude.ai");
}

static void bounds(void *memory, size_t bytes, struct world *w)
{
	struct sense_activities a = attached(memory, bytes, DAY);
	struct sense_activity_step step;
	for (unsigned i = 0; i < 9; i++)
		step = add(&a, w, "many", kinds[i], 10 + (i == 3 ? 0 : i), 0);
	ok(step.arrived && tell(&a, &step, 0), "a ninth kind is taken");
	is_num(report.view.indicators, SENSE_ACTIVITY_KINDS_MAX, "but eight are kept");
	ok(!add(&a, w, "many", "tls", 10, 0).arrived, "they are the strongest:");
	ok(add(&a, w, "many", "dns", 10, 0).arrived, "the first had the least");

	a = attached(memory, sense_activities_bytes(4), DAY);
	for (unsigned i = 0; i < 4; i++)
		add(&a, w, subjects[i], "dns", 30, i);
	add(&a, w, subjects[0], "dns", 30, 0);
	step = add(&a, w, subjects[4], "dns", 30, 5);
	ok(step.begun && step.evicted, "a fifth activity in room for four takes the place of another");
	ok(!add(&a, w, subjects[0], "dns", 30, 0).begun, "the one touched last is kept, whatever its time");
	step = add(&a, w, subjects[1], "dns", 30, 5);
	ok(step.begun && step.evicted && step.arrived, "the one touched least recently is gone");
}

/* ---- whose ---------------------------------------------------------------------------------------- */

static void keys(void *memory, size_t bytes, struct world *w)
{
	struct sense_activities a = attached(memory, bytes, DAY);
	struct sense_given given = {0};
	uint64_t key = add(&a, w, "x", "dns", 30, 0).key;
	w->flow.key.port_a++;
	is_num(add(&a, w, "x", "tls", 30, 0).key, key, "the same address and subject: one activity");
	w->flow.key.a.bytes[15] ^= 1;
	ok(add(&a, w, "x", "dns", 30, 0).key != key, "another address is another");
	w->event.given = &given;
	sense_given_string(&given, SENSE_FIELD_USER, "alice");
	key = add(&a, w, "x", "dns", 30, 0).key;
	w->flow.key.a.bytes[15] ^= 1;
	is_num(add(&a, w, "x", "dns", 30, 0).key, key, "a user is the same wherever he is");
	sense_given_string(&given, SENSE_FIELD_PROCESS_NAME, "curl");
	ok(add(&a, w, "x", "dns", 30, 0).key != key, "another program is another activity");
	key = add(&a, w, "x", "dns", 30, 0).key;
	ok(add(&a, w, "y", "dns", 30, 0).key != key, "so is another subject");
	w->event.given = NULL;
}

static void subjects_of(void)
{
	static const struct {
		enum sense_field field;
		const char *value;
	} rising[] = {{SENSE_FIELD_HOST, "a.host"},     {SENSE_FIELD_MCP_SERVER, "a.server"},
	              {SENSE_FIELD_CLIENT, "a.client"}, {SENSE_FIELD_SIGNAL, "a.label"},
	              {SENSE_FIELD_TOOL, "a.tool"},     {SENSE_FIELD_SERVICE_ID, "a.service"}};
	char subject[SENSE_ACTIVITY_SUBJECT_MAX];
	struct sense_given given = {0};
	struct sense_event event = {.kind = SENSE_EVENT_MCP, .given = &given};
	struct sense_indicator indicator = {.weight = 1};
	struct sense_addr addr = world_ip4(192, 0, 2, 7);
	ok(!sense_activity_subject(&indicator, &event, subject), "nothing is known: no subject");
	for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
		sense_given_string(&given, rising[i].field, rising[i].value);
		sense_activity_subject(&indicator, &event, subject);
		is_str(subject, rising[i].value, "%s comes before those above",
		       sense_field_name(rising[i].field));
	}
	indicator.has_about = true;
	indicator.about = SENSE_FIELD_LISTEN_IP;
	ok(!sense_activity_subject(&indicator, &event, subject), "about what is not known: none");
	sense_given_addr(&given, SENSE_FIELD_LISTEN_IP, &addr);
	ok(sense_activity_subject(&indicator, &event, subject), "about another field");
	is_str(subject, "192.0.2.7", "of an address");
	is_str(sense_activity_kind(&indicator, &event), "mcp", "a kind from the event");
	event.kind = SENSE_EVENT_FLOW_UPDATE;
	is_str(sense_activity_kind(&indicator, &event), "flow", "its first word");
	event.kind = SENSE_EVENT_PROCESS_EXIT;
	is_str(sense_activity_kind(&indicator, &event), "process", "of both of a process");
}

/* ---- memory --------------------------------------------------------------------------------------- */

static void restart(void *memory, size_t bytes, struct world *w)
{
	struct sense_activities a = attached(memory, bytes, DAY);
	add(&a, w, "restart", "dns", 30, 0);
	struct sense_activities again = attached(memory, bytes, DAY);
	struct sense_activity_step step = add(&again, w, "restart", "tls", 50, 0);
	ok(!step.begun && tell(&again, &step, 0), "a new worker goes on where the last one stopped");
	is_num(report.view.confidence, 65, "with what that one had found");
	again = attached(memory, bytes / 2, DAY);
	ok(add(&again, w, "restart", "tls", 50, 0).begun, "another size begins anew");
}

static bool fit_to_tell(void)
{
	const struct sense_activity_view *view = &report.view;
	bool good = view->confidence <= 100 && view->indicators <= SENSE_ACTIVITY_KINDS_MAX &&
	            view->evidence_count == view->indicators;
	for (unsigned i = 0; good && i < view->evidence_count; i++) {
		size_t len = strnlen(view->evidence[i], SENSE_ACTIVITY_TEXT_MAX), size = 1;
		good = len < SENSE_ACTIVITY_TEXT_MAX;
		for (size_t k = 0; good && k < len; k += size) {
			size = sense_utf8_char(view->evidence[i] + k, len - k);
			good = size && (unsigned char)view->evidence[i][k] >= 0x20;
		}
	}
	return good;
}

/* What a worker gone wrong may leave behind, keys and all. */
static void garbage(uint8_t *memory, size_t bytes, struct world *w)
{
	struct sense_activities a = attached(memory, sense_activities_bytes(16), DAY);
	unsigned bad = 0, told = 0;
	for (unsigned i = 0; i < 100000; i++) {
		unsigned subject = random_below(SUBJECTS), kind = random_below(9);
		memory[16 + random_below((unsigned)sense_activities_bytes(16) - 16)] =
		    (uint8_t)random_below(256);
		struct sense_activity_step step =
		    add(&a, w, subjects[subject], kinds[kind], 1 + random_below(100), random_below(100));
		if (!tell(&a, &step, random_below(100)))
			continue;
		told++;
		bad += !fit_to_tell();
	}
	ok(told > 1000, "%u events from memory in which every byte may change", told);
	is_num(bad, 0, "all of them fit to tell");
	memset(memory, 0, bytes);
	a = attached(memory, bytes, DAY);
	add(&a, w, "endless", "dns", 30, 0);
	uint8_t *text = memmem(memory, bytes, "dns: ", 5);
	if (!text)
		abort();
	memset(text, 'A', 96); /* and over what follows */
	struct sense_activity_step step = add(&a, w, "endless", "tls", 60, 0);
	memset(&report, 'B', sizeof report);
	ok(tell(&a, &step, 0) && fit_to_tell() && strlen(report.view.evidence[1]) < 90,
	   "a text without an end ends");
	for (size_t i = 16; i < bytes; i++)
		memory[i] = (uint8_t)random_below(256);
	step = add(&a, w, "new", "dns", 30, 0);
	ok(step.begun && step.arrived && tell(&a, &step, 0) && report.view.confidence == 30,
	   "in garbage there is nothing that it does not know");
	memory[0] ^= 1;
	a = attached(memory, bytes, DAY);
	ok(add(&a, w, "new", "dns", 30, 0).begun && add(&a, w, "new", "tls", 30, 0).arrived,
	   "the next worker begins anew");
}

/* ---- several at once ------------------------------------------------------------------------------ */

#define THREADS 4
#define ROUNDS 100
#define TOGETHER 4 /* subjects and kinds of a round */

struct helper {
	struct sense_activities *activities;
	pthread_t thread;
	pthread_barrier_t *round; /* all at once, where they meet most */
	unsigned arrived, told, begun, evicted;
};

/* Each round is about subjects that nobody has seen. */
static void help_round(struct helper *helper, struct world *w, unsigned round)
{
	for (unsigned i = 0; i < TOGETHER * TOGETHER; i++) {
		struct sense_activity_report seen;
		char subject[32];
		snprintf(subject, sizeof subject, "%u of %u", i % TOGETHER, round);
		struct sense_activity_step step =
		    add(helper->activities, w, subject, kinds[i / TOGETHER], 10, 0);
		helper->arrived += step.arrived;
		helper->begun += step.begun;
		helper->evicted += step.evicted;
		helper->told +=
		    sense_activity_tell(helper->activities, step.key, EPOCH * 1000000, step.arrived, &seen);
	}
}

static void *help(void *arg)
{
	struct helper *helper = arg;
	struct world w;
	world_init(&w);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(helper->round);
		help_round(helper, &w, round);
	}
	world_fini(&w);
	return NULL;
}

static void threads(void *memory, size_t bytes, struct world *w)
{
	const unsigned all = ROUNDS * TOGETHER;
	struct sense_activities a = attached(memory, bytes, DAY);
	struct helper helpers[THREADS] = {0}, sum = {0};
	pthread_barrier_t round;
	unsigned wrong = 0;
	pthread_barrier_init(&round, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		helpers[i].activities = &a;
		helpers[i].round = &round;
		if (pthread_create(&helpers[i].thread, NULL, help, &helpers[i]))
			abort();
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(helpers[i].thread, NULL);
		sum.arrived += helpers[i].arrived;
		sum.told += helpers[i].told;
		sum.begun += helpers[i].begun;
		sum.evicted += helpers[i].evicted;
	}
	pthread_barrier_destroy(&round);
	is_num(sum.begun, all, "of four workers one begins each activity");
	is_num(sum.evicted, 0, "and there is room for all");
	is_num(sum.arrived, all * TOGETHER, "one brings each kind");
	ok(sum.told >= all * TOGETHER && sum.told <= all * (TOGETHER + THREADS), "which is told");
	for (unsigned i = 0; i < all; i++) {
		char subject[32];
		snprintf(subject, sizeof subject, "%u of %u", i % TOGETHER, i / TOGETHER);
		struct sense_activity_step step = add(&a, w, subject, "last", 10, 0);
		wrong += !tell(&a, &step, 0) || report.view.indicators != TOGETHER + 1 ||
		         report.view.confidence != 41;
	}
	is_num(wrong, 0, "what they added up to: 1 - 0.9^5");
}

int main(void)
{
	size_t bytes = sense_activities_bytes(4096);
	uint8_t *memory = aligned_alloc(64, bytes);
	struct sense_activities activities;
	struct world w;

	setenv("SENSE_HASH_SEED", "7", 1); /* who shares a bucket is not left to chance */
	world_init(&w);
	memset(memory, 0xa5, bytes);
	is_num(sense_activities_attach(&activities, memory, bytes, 1, NULL), SENSE_OK,
	       "attached to memory of any content");
	is_num(sense_activities_attach(&activities, memory, 64, 1, NULL), SENSE_E_LIMIT,
	       "too little is refused");
	static void (*const parts[])(void *, size_t, struct world *) = {
	    against_the_model, arithmetic, texts, bounds, keys, restart, threads};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		memset(memory, 0, bytes);
		parts[i](memory, bytes, &w);
	}
	subjects_of();
	garbage(memory, bytes, &w);
	world_fini(&w);
	free(memory);
	return tap_done();
}

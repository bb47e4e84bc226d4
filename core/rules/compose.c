#include "core/rules/compose.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>

#include "core/base/hash.h"
#include "core/rules/trait.h"
#include "proto/wire.h"

#define TEXT_MAX 512    /* bytes of any one string */
#define TEXTS_MAX 12288 /* bytes of summary, evidence and details; names and tags fit beside them */

struct composer {
	const struct sense_rule *rule;
	const struct sense_event *event;
	const struct sense_compose *how;
	struct sense_arena *arena;
	struct sense_finding *finding;
	bool failed; /* the arena is full */
};

/* ---- text ---------------------------------------------------------------------------------------- */

static const char *keep(struct composer *c, const char *text, size_t len)
{
	const char *copy = sense_arena_strndup(c->arena, text, len);
	c->failed = c->failed || !copy;
	return copy ? copy : "";
}

/* A copy in which what is not printable UTF-8 is '?', cut at a character. */
static const char *clean(struct composer *c, const char *text, size_t len)
{
	char out[TEXT_MAX + 4];
	size_t used = 0, size;

	if (len <= TEXT_MAX && sense_utf8_plain(text, len) == len)
		return keep(c, text, len);
	for (size_t i = 0; i < len && used < TEXT_MAX; i += size ? size : 1) {
		size = sense_utf8_char(text + i, len - i);
		if (size + used > TEXT_MAX)
			break;
		if (!size || (unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
			out[used++] = '?';
			continue;
		}
		memcpy(out + used, text + i, size);
		used += size;
	}
	return keep(c, out, used);
}

__attribute__((format(printf, 2, 3))) static const char *say(struct composer *c, const char *fmt, ...)
{
	char text[2 * TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return clean(c, text, len < 0 ? 0 : (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

/* Texts one behind the other, up to a NULL: most sentences need no more, and printf is slow. */
static const char *join(struct composer *c, const char *first, ...)
{
	char text[2 * TEXT_MAX];
	size_t used = 0;
	va_list args;

	va_start(args, first);
	for (const char *part = first; part; part = va_arg(args, const char *)) {
		size_t len = strnlen(part, sizeof(text) - used);
		memcpy(text + used, part, len);
		used += len;
	}
	va_end(args);
	return clean(c, text, used);
}

/* Text of a string field; NULL when it is not set. */
static const char *field(struct composer *c, enum sense_field name)
{
	struct sense_value value;
	sense_event_get(c->event, name, &value);
	return value.type == SENSE_VALUE_STRING ? clean(c, value.string.text, value.string.len) : NULL;
}

static double number(struct composer *c, enum sense_field name)
{
	struct sense_value value;
	sense_event_get(c->event, name, &value);
	return value.type == SENSE_VALUE_NUMBER ? value.number : 0;
}

static const char *address(struct composer *c, enum sense_field name)
{
	char text[INET6_ADDRSTRLEN];
	struct sense_value value;
	sense_event_get(c->event, name, &value);
	if (value.type != SENSE_VALUE_ADDR)
		return NULL;
	sense_addr_format(&value.addr, text);
	return clean(c, text, strlen(text));
}

static const char *volume(struct composer *c, double bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;
	for (; bytes >= 1024 && unit < 4; unit++)
		bytes /= 1024;
	return say(c, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
}

/* ---- parts of a finding ----------------------------------------------------------------------------- */

/* UUID version 7 (RFC 9562, 5.7) whose random bits are a hash, so that a replay gives the same id. */
static void identify(struct composer *c)
{
	const struct sense_event *event = c->event;
	const struct sense_flow *flow = event->flow;
	uint64_t about[4] = {event->ts_us, event->kind, c->how->sequence, flow ? flow->first_ts : 0};
	uint64_t low = sense_hash(c->rule->id, strlen(c->rule->id), 0);
	uint64_t ms = event->ts_us / 1000;
	uint8_t *id = c->finding->id;

	if (flow)
		low = sense_hash(&flow->key, sizeof(flow->key), low);
	low = sense_hash(about, sizeof(about), low);
	uint64_t high = sense_hash(about, sizeof(about), ~low);
	for (unsigned i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
	id[6] = (uint8_t)(0x70 | (high >> 8 & 0x0f));
	id[7] = (uint8_t)high;
	memcpy(id + 8, &low, 8);
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
}

static void evidence(struct composer *c, const char *text)
{
	if (text && c->finding->evidence_count < SENSE_FINDING_EVIDENCE_MAX)
		c->finding->evidence[c->finding->evidence_count++] = text;
}

static void give_host_evidence(struct composer *c)
{
	static const char *const how[] = {"exact", "glob", "suffix"};
	const struct sense_host_row *row = c->event->host_row;
	const char *source = field(c, SENSE_FIELD_HOST_SOURCE), *host = c->finding->host;

	if (!host)
		return;
	if (!source)
		source = "host";
	if (!row) {
		evidence(c, join(c, source, ":", host, NULL));
		return;
	}
	char grade[] = {row->grade, '\0'};
	evidence(c, join(c, source, ":", host, " (", row->match <= SENSE_MATCH_SUFFIX ? how[row->match] : "row",
			 row->match ? " " : "", row->match ? row->domain : "", ", grade ", grade,
			 row->shared ? ", shared with other traffic)" : ")", NULL));
}

static void give_http_evidence(struct composer *c)
{
	const struct sense_signal *signal = c->event->signal;
	const char *method = field(c, SENSE_FIELD_HTTP_METHOD), *path = field(c, SENSE_FIELD_HTTP_PATH);
	const char *label = field(c, SENSE_FIELD_SIGNAL), *client = field(c, SENSE_FIELD_CLIENT);
	const char *credential = field(c, SENSE_FIELD_CREDENTIAL);

	if (label)
		evidence(c, say(c, "http:%s%s%s (signal %s %.0f)", method ? method : "",
				method && path ? " " : "", path ? path : "", label,
				number(c, SENSE_FIELD_SIGNAL_SCORE)));
	else if (method)
		evidence(c, join(c, "http:", method, " ", path ? path : "", NULL));
	for (unsigned i = 0; signal && i < signal->evidence_count && i < SENSE_SIGNAL_EVIDENCE_MAX; i++)
		evidence(c, clean(c, signal->evidence[i],
				  strnlen(signal->evidence[i], sizeof(signal->evidence[i]))));
	if (client)
		evidence(c, join(c, "client:", client, NULL));
	if (credential)
		evidence(c, join(c, "credential:", credential, " in clear text", NULL));
}

static bool of_host(const struct composer *c)
{
	const uint32_t host = SENSE_IN_HOST & ~SENSE_IN_ACTIVITY;
	return host >> c->event->kind & 1;
}

/* "listen:127.0.0.1:11434", and by whom. */
static void give_given_evidence(struct composer *c)
{
	char trait[TEXT_MAX];
	const char *tool = field(c, SENSE_FIELD_TOOL), *process = field(c, SENSE_FIELD_PROCESS_NAME);
	const uint32_t of_process = SENSE_ON(PROCESS_START) | SENSE_ON(PROCESS_EXIT);

	if (sense_event_trait(c->event, trait, sizeof trait))
		evidence(c, join(c, sense_event_group(c->event->kind), ":", trait, NULL));
	if (process && !(of_process >> c->event->kind & 1))
		evidence(c, join(c, "process:", process, NULL));
	if (tool)
		evidence(c, join(c, "tool:", tool, NULL));
}

/* What an activity is made of says more than the event that came last. */
static void give_evidence(struct composer *c)
{
	const struct sense_activity_view *activity = c->event->activity;

	for (unsigned i = 0; activity && i < activity->evidence_count; i++)
		evidence(c, clean(c, activity->evidence[i], strlen(activity->evidence[i])));
	if (activity)
		return;
	if (of_host(c))
		give_given_evidence(c);
	give_host_evidence(c);
	give_http_evidence(c);
}

/*
 * The service by its host, unless the host alone proves little and the request itself proves more:
 * what speaks Ollama is Ollama, whatever its name.
 */
static void name_service(struct composer *c)
{
	const struct sense_host_row *row = c->event->host_row;
	const char *label = field(c, SENSE_FIELD_SIGNAL);
	bool by_signal = label && number(c, SENSE_FIELD_SIGNAL_SCORE) >= 100;

	if (row && (row->conclusive || !by_signal)) {
		c->finding->service = field(c, SENSE_FIELD_SERVICE_ID);
		c->finding->service_name = field(c, SENSE_FIELD_SERVICE_NAME);
		c->finding->category = field(c, SENSE_FIELD_SERVICE_CATEGORY);
	} else if (label) {
		c->finding->service = label;
		c->finding->service_name = label;
	}
}

/* "chatgpt used by alice: 2 independent indicators, confidence 65 %" */
static const char *activity_summary(struct composer *c)
{
	const struct sense_finding *f = c->finding;
	const struct sense_activity_view *activity = c->event->activity;
	const char *subject = field(c, SENSE_FIELD_ACTIVITY_SUBJECT);
	const char *who = f->user ? f->user : f->source_ip ? f->source_ip : "this host";

	if (subject && f->service && f->service_name && !strcmp(subject, f->service))
		subject = f->service_name;
	return say(c, "%s used by %s: %u independent indicator%s, confidence %u %%",
		   subject ? subject : "Something", who, activity->indicators,
		   activity->indicators == 1 ? "" : "s", activity->confidence);
}

static const char *summary(struct composer *c)
{
	const struct sense_finding *f = c->finding;
	const char *vendor = c->event->host_row ? field(c, SENSE_FIELD_SERVICE_VENDOR) : NULL;
	const char *source = f->source_ip ? f->source_ip : "this host";
	const char *what = f->service_name ? f->service_name : c->rule->title ? c->rule->title : c->rule->id;
	const char *method = field(c, SENSE_FIELD_HTTP_METHOD), *path = field(c, SENSE_FIELD_HTTP_PATH);
	const char *peer = f->host ? f->host : f->dest_ip ? f->dest_ip : "an unknown address";
	const char *type = f->type ? f->type : "";

	if (c->event->activity)
		return activity_summary(c);
	/* "Claude (Anthropic)", but not "OpenAI API (OpenAI)". */
	if (vendor && f->category && !strstr(what, vendor))
		what = join(c, what, " (", vendor, ")", NULL);
	if (c->event->kind == SENSE_EVENT_DNS)
		return join(c, what, " looked up: ", peer, " by ", source, NULL);
	if (!strcmp(type, "transfer"))
		return join(c, volume(c, number(c, SENSE_FIELD_BYTES_UP)), " sent to ", what, ": ", peer,
			    " from ", source, NULL);
	if (f->service_name && !f->category)
		return say(c, "%s called: %s%s%s on %s port %u from %s", what, method ? method : "",
			   method ? " " : "", path ? path : "", peer, f->dest_port, source);
	return join(c, what, f->service_name ? " used: " : ": ", peer, " from ", source, NULL);
}

static void detail_text(struct composer *c, const char *key, const char *text)
{
	struct sense_finding *f = c->finding;
	if (text && f->detail_count < SENSE_FINDING_DETAILS_MAX)
		f->details[f->detail_count++] =
		    (struct sense_detail){.key = key, .type = SENSE_DETAIL_STRING, .string = text};
}

static void detail_number(struct composer *c, const char *key, double value)
{
	struct sense_finding *f = c->finding;
	if (f->detail_count < SENSE_FINDING_DETAILS_MAX)
		f->details[f->detail_count++] =
		    (struct sense_detail){.key = key, .type = SENSE_DETAIL_NUMBER, .number = value};
}

static void give_activity_details(struct composer *c, const struct sense_activity_view *activity)
{
	detail_text(c, "subject", field(c, SENSE_FIELD_ACTIVITY_SUBJECT));
	detail_number(c, "indicators", activity->indicators);
	detail_number(c, "confidence", activity->confidence);
	detail_number(c, "since", (double)activity->since_us);
}

/* A number that the event knows. */
static void detail_field(struct composer *c, const char *key, enum sense_field name)
{
	struct sense_value value;
	sense_event_get(c->event, name, &value);
	if (value.type == SENSE_VALUE_NUMBER)
		detail_number(c, key, value.number);
}

static void give_details(struct composer *c)
{
	static const struct {
		const char *key;
		enum sense_field field;
	} texts[] = {{"alpn", SENSE_FIELD_ALPN},
		     {"ja4", SENSE_FIELD_JA4},
		     {"tls_version", SENSE_FIELD_TLS_VERSION},
		     {"hello", SENSE_FIELD_HELLO},
		     {"method", SENSE_FIELD_HTTP_METHOD},
		     {"path", SENSE_FIELD_HTTP_PATH},
		     {"user_agent", SENSE_FIELD_USER_AGENT},
		     {"client", SENSE_FIELD_CLIENT},
		     {"credential", SENSE_FIELD_CREDENTIAL},
		     {"protocol", SENSE_FIELD_NDPI_APP}};

	detail_text(c, "event", sense_event_name(c->event->kind));
	if (c->event->activity)
		give_activity_details(c, c->event->activity);
	detail_field(c, "bytes_up", SENSE_FIELD_BYTES_UP);
	detail_field(c, "bytes_down", SENSE_FIELD_BYTES_DOWN);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		detail_text(c, texts[i].key, field(c, texts[i].field));
	if (c->event->dns) {
		detail_number(c, "dns_type", c->event->dns->type);
		detail_text(c, "dns", c->event->dns->response ? "answer" : "question");
	}
	if (c->how->suppressed)
		detail_number(c, "suppressed", (double)c->how->suppressed);
}

static void fill(struct composer *c)
{
	const struct sense_rule *rule = c->rule;
	struct sense_finding *f = c->finding;

	*f = (struct sense_finding){.timestamp = c->event->ts_us,
				    .type = rule->type,
				    .rule = rule->id,
				    .severity = sense_severity_name(rule->severity),
				    .policy = rule->policy,
				    .confidence = rule->confidence > 100 ? 100 : rule->confidence,
				    .action = rule->action};
	if (c->event->activity)
		f->confidence = c->event->activity->confidence;
	identify(c);
	f->source_ip = address(c, SENSE_FIELD_SRC_IP);
	f->source_port = (uint16_t)number(c, SENSE_FIELD_SRC_PORT);
	f->dest_ip = address(c, SENSE_FIELD_DST_IP);
	f->dest_port = (uint16_t)number(c, SENSE_FIELD_DST_PORT);
	f->host = field(c, SENSE_FIELD_HOST);
	f->process = field(c, SENSE_FIELD_PROCESS_NAME);
	f->user = field(c, SENSE_FIELD_USER);
	for (; f->tag_count < rule->tag_count && f->tag_count < SENSE_FINDING_TAGS_MAX; f->tag_count++)
		f->tags[f->tag_count] = rule->tags[f->tag_count];
	name_service(c);
	give_evidence(c);
	give_details(c);
}

/* ---- what the script changed ------------------------------------------------------------------------ */

static const char *recheck(struct composer *c, const char *text, size_t *total)
{
	size_t len = text ? strlen(text) : 0;
	/* What is plain is as it should be; the rest is cleaned, which changes nothing that is clean. */
	const char *good = !text || (len <= TEXT_MAX && sense_utf8_plain(text, len) == len)
			       ? text : clean(c, text, len);
	*total += good ? strlen(good) + 4 : 0;
	return good;
}

/* Bounds hold whatever the script did: counts first, then texts, then the sum, from the last detail. */
static void recheck_all(struct composer *c)
{
	struct sense_finding *f = c->finding;
	size_t total = 0;

	if (sense_severity_find(f->severity ? f->severity : "") < 0)
		f->severity = sense_severity_name(c->rule->severity);
	if (f->confidence > 100)
		f->confidence = 100;
	if (f->evidence_count > SENSE_FINDING_EVIDENCE_MAX)
		f->evidence_count = SENSE_FINDING_EVIDENCE_MAX;
	if (f->detail_count > SENSE_FINDING_DETAILS_MAX)
		f->detail_count = SENSE_FINDING_DETAILS_MAX;
	f->summary = recheck(c, f->summary, &total);
	for (unsigned i = 0; i < f->evidence_count; i++)
		f->evidence[i] = recheck(c, f->evidence[i] ? f->evidence[i] : "", &total);
	unsigned kept = 0;
	for (unsigned i = 0; i < f->detail_count && !c->failed; i++) {
		struct sense_detail detail = f->details[i];
		total += 16;
		detail.key = recheck(c, detail.key ? detail.key : "", &total);
		if (detail.type == SENSE_DETAIL_STRING)
			detail.string = recheck(c, detail.string ? detail.string : "", &total);
		if (detail.type == SENSE_DETAIL_NUMBER && !isfinite(detail.number))
			detail = (struct sense_detail){.key = detail.key,
						       .type = SENSE_DETAIL_STRING,
						       .string = isnan(detail.number) ? "nan" : "infinite"};
		if (total > TEXTS_MAX)
			break;
		f->details[kept++] = detail;
	}
	f->detail_count = kept;
}

enum sense_status sense_finding_compose(const struct sense_rule *rule, const struct sense_event *event,
					const struct sense_compose *how, struct sense_arena *arena,
					struct sense_finding *finding, sense_error *err)
{
	struct composer c = {.rule = rule, .event = event, .how = how, .arena = arena, .finding = finding};
	enum sense_status status = SENSE_OK;

	fill(&c);
	if (!c.failed && rule->has_finding && how->script && how->script->finding) {
		struct sense_finding plain = *finding;
		status = how->script->finding(how->script->self, rule, event, arena, finding, err);
		/* A script out of its memory is a failed script: the finding itself has all it needs. */
		if (status == SENSE_E_MEMORY)
			status = SENSE_E_SCRIPT;
		if (status)
			*finding = plain;
		else
			recheck_all(&c);
	}
	if (!finding->summary)
		finding->summary = summary(&c);
	if (c.failed)
		return sense_fail(err, SENSE_E_MEMORY, "rules", "no memory for a finding of rule \"%s\"",
				  rule->id);
	return status;
}

#include "t/00-unit/proto_message.h"
#include "proto/uuid.h"
#include "t/tap.h"

#define ROOM ((size_t)5 << 20)

static uint8_t *again_data(void)
{
	static uint8_t data[ROOM];
	return data;
}

/* Decodes a copy on the heap, for the sanitizers; what is taken must be written and read again as the same.
 */
static bool take(proto_again *again, const uint8_t *data, size_t len, const char **why)
{
	static uint8_t second_data[ROOM];
	struct sense_wire_writer first = {.data = again_data(), .cap = ROOM};
	struct sense_wire_writer second = {.data = second_data, .cap = ROOM};
	uint8_t *copy = malloc(len ? len : 1);

	*why = NULL;
	if (len)
		memcpy(copy, data, len);
	bool good = again(copy, len, &first, why);
	free(copy);
	if (!good)
		return false;
	if (*why || first.full || !again(first.data, first.len, &second, why) || second.full ||
	    first.len != second.len || memcmp(first.data, second.data, first.len))
		ok(false, "what is taken can be sent again: %s", *why ? *why : "");
	return true;
}

static size_t encode(const struct proto_sample *sample, uint8_t *out, size_t cap)
{
	struct sense_wire_writer writer = {.data = out, .cap = cap};
	sample->put(&writer);
	return writer.full ? 0 : writer.len;
}

/* ---- every message ------------------------------------------------------------------------------------- */

static void cut_and_flip(const struct proto_sample *sample, const uint8_t *data, size_t len)
{
	unsigned taken = 0, silent = 0, written = 0;
	uint8_t copy[1024];
	const char *why;

	for (size_t i = 0; i < len; i++) {
		taken += take(sample->again, data, i, &why) || !why;
		written += encode(sample, copy, i) != 0;
	}
	is_num(taken, 0, "%s: cut at any byte it is refused with a reason", sample->name);
	is_num(written, 0, "%s: and is never written to too small a buffer", sample->name);
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 1; bit < 256; bit++) {
			memcpy(copy, data, len);
			copy[i] ^= (uint8_t)bit;
			silent += !take(sample->again, copy, len, &why) && !why;
		}
	is_num(silent, 0, "%s: each changed byte is taken, or refused with a reason", sample->name);
	memcpy(copy, data, len);
	copy[len] = 0xc0;
	ok(!take(sample->again, copy, len + 1, &why) && strstr(why, "behind"), "%s: nothing may follow it",
	   sample->name);
}

/* Its map with the members in reverse order, and one that nobody knows before them. */
static size_t reversed(const uint8_t *data, size_t len, uint8_t *out, size_t cap)
{
	struct sense_wire_writer writer = {.data = out, .cap = cap};
	struct sense_wire_reader reader = {.at = data, .end = data + len};
	struct sense_wire_key key;
	const uint8_t *at[17];
	uint32_t count;

	sense_wire_get_map(&reader, &count);
	for (uint32_t i = 0; i < count; i++) {
		at[i] = reader.at;
		sense_wire_get_key(&reader, &key);
		sense_wire_skip(&reader);
	}
	at[count] = reader.at;
	sense_wire_put_map(&writer, count + 1);
	sense_wire_put_string(&writer, "later");
	sense_wire_put_raw(&writer, "\x93\x01\xc0\x81\xa1k\x92\xc2\xc7\x02\x05zz", 13);
	for (uint32_t i = count; i-- > 0;)
		sense_wire_put_raw(&writer, at[i], (size_t)(at[i + 1] - at[i]));
	return writer.full ? 0 : writer.len;
}

static void every(void)
{
	for (size_t i = 0; i < PROTO_SAMPLES; i++) {
		const struct proto_sample *sample = &proto_samples[i];
		uint8_t data[1024], other[1100];
		const char *why;
		size_t len = encode(sample, data, sizeof(data));

		ok(len, "%s: is written, %zu bytes", sample->name, len);
		if (!sample->again)
			continue;
		bool good = take(sample->again, data, len, &why);
		ok(good, "%s: is read: %s", sample->name, why ? why : "");
		ok(!memcmp(again_data(), data, len), "%s: and written again as it was", sample->name);
		size_t size = reversed(data, len, other, sizeof(other));
		good = take(sample->again, other, size, &why);
		ok(size && good && !memcmp(again_data(), data, len),
		   "%s: the order of keys does not matter, nor one that is not known: %s", sample->name,
		   why ? why : "");
		cut_and_flip(sample, data, len);
	}
}

/* Each member that may not be missing is missed by its name. */
static void lacking(const struct proto_sample *sample)
{
	static const char *const optional[] = {"kernel", "arch",   "policy_hash", "problem",
	                                       "detail", "output", "retry",       "through"};
	uint8_t data[1024], out[1024];
	size_t len = encode(sample, data, sizeof(data));
	struct sense_wire_reader reader = {.at = data, .end = data + len};
	uint32_t count;

	sense_wire_get_map(&reader, &count);
	for (uint32_t i = 0; i < count; i++) {
		struct sense_wire_writer writer = {.data = out, .cap = sizeof(out)};
		const uint8_t *at = reader.at;
		struct sense_wire_key key;
		const char *why;
		bool may = false;

		sense_wire_get_key(&reader, &key);
		sense_wire_skip(&reader);
		for (size_t o = 0; o < sizeof(optional) / sizeof(*optional); o++)
			may = may || sense_wire_is(&key, optional[o]);
		may = may && (strcmp(sample->name, "registered") || !sense_wire_is(&key, "through")) &&
		      (strcmp(sample->name, "reported") || !sense_wire_is(&key, "through"));
		sense_wire_put_map(&writer, count - 1);
		sense_wire_put_raw(&writer, data + 1, (size_t)(at - data - 1));
		sense_wire_put_raw(&writer, reader.at, (size_t)(reader.end - reader.at));
		bool good = take(sample->again, out, writer.len, &why);
		char want[64];
		snprintf(want, sizeof(want), "lacks its %.*s", (int)key.len, key.text);
		ok(may ? good : !good && why && !strcmp(why, want), "%s without %.*s: %s", sample->name,
		   (int)key.len, key.text, why ? why : "taken");
	}
}

/* ---- values -------------------------------------------------------------------------------------------- */

static void session(void)
{
	struct sense_message_registered registered;
	struct sense_message_heartbeat beat;
	uint8_t data[1024];
	char storage[1024 + SENSE_MESSAGE_STORAGE_EXTRA];
	const char *why;

	struct sense_wire_writer writer = {.data = data, .cap = sizeof(data)};
	proto_put_registered(&writer);
	ok(sense_message_get_registered(data, writer.len, storage, &registered, &why),
	   "an agent is registered");
	is_str(registered.agent, PROTO_AGENT, "by its id");
	is_str(registered.organization, PROTO_ORGANIZATION, "in its organization");
	ok(registered.through == UINT64_MAX && registered.time == UINT64_C(1770000000123456) &&
	       registered.heartbeat == 30 && registered.batch_rows == 1000 &&
	       registered.batch_bytes == 1048576,
	   "with its numbers");
	ok(registered.policy.generation == 7 && registered.policy.hash[0] == 0xde &&
	       registered.policy.hash[31] == 1,
	   "and its policies");
	writer.len = 0;
	proto_put_heartbeat(&writer);
	ok(sense_message_get_heartbeat(data, writer.len, storage, &beat, &why), "a heartbeat");
	ok(beat.counter_count == 3 && beat.counters[0].value == UINT64_C(9007199254740993) &&
	       !beat.counters[1].value && beat.rules == 212 && beat.rules_failing == 1 &&
	       beat.rules_quarantined == 2,
	   "has its counters");
	is_str(beat.counters[2].name, "findings", "by their names");
	is_num(beat.gap_count, 2, "and its gaps");
	is_str(beat.gaps[0], "capture: eth0 is down", "as text");
}

static void walks(void)
{
	struct sense_message_findings findings;
	struct sense_message_finding finding;
	struct sense_message_acknowledge acknowledge;
	struct sense_message_rule rule;
	uint8_t data[1024];
	char storage[1024 + SENSE_MESSAGE_STORAGE_EXTRA];
	const char *why;

	struct sense_wire_writer writer = {.data = data, .cap = sizeof(data)};
	proto_put_findings(&writer);
	ok(sense_message_get_findings(data, writer.len, &findings, &why) && findings.after == 41 &&
	       findings.count == 3,
	   "a batch");
	ok(sense_message_finding_next(&findings, &finding) && finding.sequence == 42 &&
	       finding.finding.len == 1 && *finding.finding.data == 0x80,
	   "its first finding");
	ok(sense_message_finding_next(&findings, &finding) && finding.sequence == 43 && !finding.finding.len,
	   "one of no bytes");
	ok(sense_message_finding_next(&findings, &finding) && finding.sequence == UINT64_C(1) << 40,
	   "the last");
	ok(!sense_message_finding_next(&findings, &finding) && !findings.reader.why, "and no more");

	writer.len = 0;
	proto_put_acknowledge(&writer);
	ok(sense_message_get_acknowledge(data, writer.len, storage, &acknowledge, &why) &&
	       acknowledge.loaded && acknowledge.count == 3,
	   "what became of policies");
	ok(sense_message_rule_next(&acknowledge, &rule) && !rule.message, "a rule that loaded");
	is_str(rule.id, "ai.chat", "by its id");
	ok(sense_message_rule_next(&acknowledge, &rule), "one that failed");
	is_str(rule.state, "failed", "is said so");
	is_str(rule.message, "no field 'hots'", "with a reason");
	is_str(acknowledge.problem, "chat.lua:3: unknown field 'hots'", "which touches no other text");
	ok(sense_message_rule_next(&acknowledge, &rule) && !sense_message_rule_next(&acknowledge, &rule) &&
	       !acknowledge.reader.why,
	   "the last one");
	/* The rules may come before the texts of the head. */
	uint8_t other[1100];
	size_t len = reversed(data, writer.len, other, sizeof(other));
	ok(sense_message_get_acknowledge(other, len, storage, &acknowledge, &why) &&
	       sense_message_rule_next(&acknowledge, &rule),
	   "rules before the problem");
	is_str(acknowledge.problem, "chat.lua:3: unknown field 'hots'", "leave it as it is");
}

/* ---- bounds -------------------------------------------------------------------------------------------- */

static void full_batch(uint32_t count, bool fits)
{
	struct sense_wire_writer writer = {.data = malloc(ROOM), .cap = ROOM};
	const char *why;

	sense_message_put_findings(&writer, 0, count);
	ok(writer.full == !fits, "%u findings are %s", count, fits ? "written" : "too many");
	if (!fits) { /* then by hand */
		writer.full = false;
		writer.len = 0;
		sense_wire_put_raw(&writer,
		                   "\x82\xa5"
		                   "after\0\xa8"
		                   "findings",
		                   17);
		sense_wire_put_array(&writer, count);
	}
	for (uint32_t i = 1; i <= count; i++)
		sense_message_put_finding(&writer, i, (const uint8_t *)"\x80", 1);
	bool good = take(proto_again_findings, writer.data, writer.len, &why);
	ok(good == fits && (fits || strstr(why, "too long")), "and are %s: %s", fits ? "taken" : "refused",
	   why ? why : "");
	free(writer.data);
}

/* All rules with texts as long as they may be fit into one message. */
static void full_rules(uint32_t count, bool fits)
{
	struct sense_wire_writer writer = {.data = malloc(ROOM), .cap = ROOM};
	struct sense_message_acknowledge message = {.count = count};
	char id[SENSE_MESSAGE_NAME_MAX + 1], text[SENSE_MESSAGE_RULE_TEXT_MAX + 100];
	const char *why;

	memset(id, 'r', sizeof(id));
	id[sizeof(id) - 1] = '\0';
	memset(text, 't', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	sense_message_put_acknowledge(&writer, &message);
	ok(writer.full == !fits, "%u rules are %s", count, fits ? "written" : "too many");
	if (!fits) { /* then by hand */
		writer.full = false;
		writer.len = 0;
		sense_message_put_acknowledge(&writer, &(struct sense_message_acknowledge){.count = 0});
		writer.len--;
		sense_wire_put_array(&writer, count);
	}
	for (uint32_t i = 0; i < count; i++)
		sense_message_put_rule(&writer, &(struct sense_message_rule){id, "quarantined", text});
	ok(!writer.full && writer.len < SENSE_RPC_MESSAGE_MAX - 1024, "%zu bytes", writer.len);
	bool good = take(proto_again_acknowledge, writer.data, writer.len, &why);
	ok(good == fits && (fits || strstr(why, "too long")), "and are %s: %s", fits ? "taken" : "refused",
	   why ? why : "");
	free(writer.data);
}

static void texts(void)
{
	struct sense_message_error error = {.code = "busy"}, got;
	size_t max = SENSE_MESSAGE_TEXT_MAX;
	uint8_t data[6000];
	char text[5001], storage[6000 + SENSE_MESSAGE_STORAGE_EXTRA];
	const char *why;

	struct sense_wire_writer writer = {.data = data, .cap = sizeof(data)};
	memset(text, 'x', sizeof(text));
	text[5000] = '\0';
	memcpy(text + max - 1, "\xc3\xbc", 2); /* its second byte would be the first too many */
	error.message = text;
	sense_message_put_error(&writer, &error);
	ok(!writer.full && sense_message_get_error(data, writer.len, storage, &got, &why),
	   "a long text is cut");
	ok(strlen(got.message) == max - 1 && got.message[max - 2] == 'x', "where a character ends");
	writer.len = 0;
	sense_wire_put_map(&writer, 2);
	sense_wire_put_string(&writer, "code");
	sense_wire_put_string(&writer, "x");
	sense_wire_put_string(&writer, "message");
	sense_wire_put_text(&writer, text, max + 1);
	bool good = sense_message_get_error(data, writer.len, storage, &got, &why);
	ok(!good && strstr(why, "too long"), "one that is not cut is refused: %s", why);
}

static void unsound(const char *what, void (*put)(struct sense_wire_writer *, const void *),
                    const void *message)
{
	uint8_t data[4096];
	struct sense_wire_writer writer = {.data = data, .cap = sizeof(data)};
	put(&writer, message);
	ok(writer.full, "%s is not sent", what);
}
#define PUT(name)                                                                     \
	static void put_##name(struct sense_wire_writer *writer, const void *message) \
	{                                                                             \
		sense_message_put_##name(writer, message);                            \
	}
PUT(register)
PUT(registered)
PUT(heartbeat)
PUT(policies)
PUT(rule)
PUT(commands)
PUT(result)
PUT(renewed)
#define UNSOUND(what, name, ...) unsound(what, put_##name, &(struct sense_message_##name){__VA_ARGS__})

static void not_sent(void)
{
	UNSOUND("an agent without a name", register, .version = "1", .os = "Linux");
	UNSOUND("an agent's id that is none", registered, .agent = "x", .organization = PROTO_ORGANIZATION);
	UNSOUND("65 counters", heartbeat, .counter_count = 65);
	UNSOUND("a counter without name", heartbeat, .counter_count = 1);
	UNSOUND("17 gaps", heartbeat, .gap_count = 17);
	UNSOUND("a signature of no bytes", policies, .manifest = PROTO_BYTES("x"),
	        .signature = {(const uint8_t *)"", 0});
	UNSOUND("a rule in no state", rule, .id = "x");
	UNSOUND("a rule in a state that is not known", rule, .id = "x", .state = "lost");
	UNSOUND("a piece behind the bundle's end", policies, .manifest = PROTO_BYTES("x"),
	        .signature = PROTO_BYTES("0123456789012345678901234567890123456789012345678901234567890123"),
	        .offset = 1);
	UNSOUND("17 commands", commands, .count = 17);
	UNSOUND("17 arguments", commands, .count = 1,
	        .commands = {{.id = "x", .name = "x", .argument_count = 17}});
	UNSOUND("a status that is not known", result, .id = "x", .status = "perhaps");
	UNSOUND("five certificates", renewed, .certificate = PROTO_BYTES("x"), .chain_count = 5);
	UNSOUND("an empty certificate", renewed, .certificate = PROTO_BYTES("x"), .chain_count = 1);
}

static void refuses(proto_again *again, const char *bytes, size_t len, const char *what)
{
	const char *why;
	bool taken = take(again, (const uint8_t *)bytes, len, &why);
	ok(!taken && why, "%s: %s", what, why ? why : "");
}
#define REFUSES(name, bytes, what) refuses(proto_again_##name, bytes, sizeof(bytes) - 1, what)

/* A batch of ReportFindings: `after` and then `findings`, with these bytes as their values. */
#define BATCH(after, findings) "\x82\xa5" "after" after "\xa8" "findings" findings

static void hostile_findings(void)
{
	REFUSES(findings, BATCH("\x01", "\xdd\xff\xff\xff\xff"), "four billion findings");
	REFUSES(findings, BATCH("\x01", "\x91\x92\x01\xc4\0"), "a sequence that is `after`");
	REFUSES(findings, BATCH("\x01", "\x92\x92\x03\xc4\0\x92\x03\xc4\0"), "one that comes twice");
	REFUSES(findings, BATCH("\x01", "\x91\x91\x02"), "a finding without bytes");
	REFUSES(findings, BATCH("\x01", "\x91\x92\x02\xa1z"), "a finding that is text");
	REFUSES(findings, BATCH("\xff", "\x90"), "an `after` below 0");
	REFUSES(findings, BATCH("\x01", "\x92\x91\x02\xc4\0"), "bytes beside their finding");
	full_batch(SENSE_MESSAGE_FINDINGS_MAX, true);
	full_batch(SENSE_MESSAGE_FINDINGS_MAX + 1, false);
}

/* Each message as none that it can be. */
static void hostile_each(void)
{
	for (size_t i = 0; i < PROTO_SAMPLES; i++)
		if (proto_samples[i].again) {
			refuses(proto_samples[i].again, "\x80", 1, proto_samples[i].name);
			refuses(proto_samples[i].again, "", 0, proto_samples[i].name);
			refuses(proto_samples[i].again, "\x90", 1, proto_samples[i].name);
			refuses(proto_samples[i].again, "\xdf\xff\xff\xff\xff", 5, proto_samples[i].name);
		}
}

static void hostile(void)
{
	REFUSES(reported,
	        "\x82\xa7"
	        "through\x01\xa7refused\xcf\0\0\0\1\0\0\0\0",
	        "more than 32 bits");
	REFUSES(result, "\x82\xa2id\xa1z\xa6status\xa5sorry", "a status that is not known");
	REFUSES(renew, "\x81\xa7request\xc4\0", "an empty request");
	REFUSES(commands,
	        "\x81\xa8"
	        "commands\xdc\0\x11zzzzzzzzzzzzzzzzz",
	        "17 commands");
	REFUSES(commands,
	        "\x81\xa8"
	        "commands\x91\x80",
	        "an empty command");
	REFUSES(policy,
	        "\x82\xaa"
	        "generation\x01\xa4hash\xc4\x1fzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
	        "a hash of 31 bytes");
	REFUSES(error,
	        "\x82\xa4"
	        "code\xa1z\xa7message\xa2z\0",
	        "a NUL within text");
	REFUSES(acknowledge,
	        "\x84\xaa"
	        "generation\1\xa4hash\xc4\x20zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\xa6loaded\xc3\xa5rules\x92\x91"
	        "\xa1z\xa6loaded",
	        "a state beside its rule");
	REFUSES(renewed,
	        "\x83\xab"
	        "certificate\xc4\1z\xa5"
	        "chain\x91\xc4\0\xa7"
	        "expires\1",
	        "an empty certificate");
	full_rules(SENSE_MESSAGE_RULES_MAX, true);
	full_rules(SENSE_MESSAGE_RULES_MAX + 1, false);
}

/* What a newer end says more about a finding or a rule is passed over. */
static void more_parts(void)
{
	static const uint8_t batch[] = "\x82\xa5"
				       "after\0\xa8"
				       "findings\x92\x94\1\xc4\0\x81\1\2\xc0\x92\2\xc4\0";
	struct sense_wire_writer writer = {.data = again_data(), .cap = ROOM};
	struct sense_message_findings findings;
	struct sense_message_finding finding;
	struct sense_message_acknowledge acknowledge;
	struct sense_message_rule rule;
	char storage[512];
	const char *why;

	ok(sense_message_get_findings(batch, sizeof(batch) - 1, &findings, &why) &&
	       sense_message_finding_next(&findings, &finding) && finding.sequence == 1 &&
	       sense_message_finding_next(&findings, &finding) && finding.sequence == 2 &&
	       !findings.reader.why,
	   "a finding with more parts");
	sense_message_put_acknowledge(&writer, &(struct sense_message_acknowledge){.count = 2});
	sense_wire_put_raw(&writer, "\x95\xa1y\xa6loaded\xa0\x91\1\xc0\x92\xa1z\xa6loaded", 24);
	ok(sense_message_get_acknowledge(writer.data, writer.len, storage, &acknowledge, &why) &&
	       sense_message_rule_next(&acknowledge, &rule) && sense_message_rule_next(&acknowledge, &rule) &&
	       *rule.id == 'z' && !acknowledge.reader.why,
	   "a rule with more parts");
}

/* Of a key that comes twice the last one counts, and lists do not add up. */
static void twice(void)
{
	static const uint8_t data[] = "\x83\xa5"
				      "after\x01\xa8"
				      "findings\x93\x01\x02\x03\xa8"
				      "findings\x91\x92\x02\xc4\0";
	struct sense_message_findings message;
	struct sense_message_finding finding;
	const char *why;

	ok(sense_message_get_findings(data, sizeof(data) - 1, &message, &why) && message.count == 1 &&
	       sense_message_finding_next(&message, &finding) && finding.sequence == 2 &&
	       !sense_message_finding_next(&message, &finding) && !message.reader.why,
	   "of a list that comes twice the last one counts");
}

static void nul(void)
{
	uint8_t data[8];
	struct sense_wire_writer writer = {.data = data, .cap = sizeof(data)};
	sense_wire_put_text(&writer, "a\0b", 3);
	ok(writer.len == 4 && !memcmp(data,
	                              "\xa3"
	                              "a?b",
	                              4),
	   "a NUL within text is not sent");
}

static void uuids(void)
{
	ok(sense_uuid_is(PROTO_AGENT), "a UUID");
	ok(!sense_uuid_is("") && !sense_uuid_is("0197c3a4-5d1e-7b2f-8c3d-4e5f6071829") &&
	       !sense_uuid_is(PROTO_AGENT "0") &&
	       !sense_uuid_is("0197C3A4-5d1e-7b2f-8c3d-4e5f60718293") &&
	       !sense_uuid_is("0197c3a4x5d1e-7b2f-8c3d-4e5f60718293"),
	   "and what is none");
}

int main(void)
{
	every();
	for (size_t i = 0; i < PROTO_SAMPLES; i++)
		if (proto_samples[i].again)
			lacking(&proto_samples[i]);
	session();
	walks();
	texts();
	not_sent();
	hostile_each();
	hostile_findings();
	hostile();
	more_parts();
	twice();
	nul();
	uuids();
	return tap_done();
}

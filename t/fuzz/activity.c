/*
 * Activities in memory that others write to: the first two bytes say how many of the following lie in the
 * block at the start, the rest are operations: add an indicator, tell, write a word, attach again. Whatever
 * is told must be within its bounds and fit to be shown.
 */
#include <stdlib.h>
#include <string.h>

#include "core/rules/activity.h"
#include "proto/wire.h"

#define ENTRIES 8
#define BLOCK 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static _Alignas(64) uint8_t block[BLOCK];
static struct sense_activities activities;
static struct sense_activity_step latest;
static size_t bytes;

static void check(bool good)
{
	if (!good)
		abort();
}

/* The same keys in each run, so that an input that holds some means the same the next time. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	bytes = sense_activities_bytes(ENTRIES);
	check(bytes <= sizeof block);
	return setenv("SENSE_HASH_SEED", "1", 1);
}

static void attach(void)
{
	sense_error err;
	check(!sense_activities_attach(&activities, block, bytes, 3600u * 1000000u, &err));
}

static void add(const uint8_t *op)
{
	static const char *const kinds[] = {"dns", "tls", "http", NULL};
	const char host[] = {(char)('a' + op[1] % 16), (char)op[5], (char)op[6], '\0'};
	struct sense_given given = {0};
	struct sense_event event = {.kind = op[2] % SENSE_EVENT_ACTIVITY,
	                            .ts_us = ((uint64_t)op[3] << 40 | (uint64_t)op[4] << 30),
	                            .given = &given};
	struct sense_rule rule = {.id = "fuzz", .observes = op[7] & 1};
	rule.indicator = (struct sense_indicator){.kind = kinds[op[2] >> 4 & 3], .weight = 1 + op[7] % 100};
	sense_given_string(&given, SENSE_FIELD_HOST, host);
	check(sense_activity_add(&activities, &rule, &event, &latest));
}

static bool plain(const char *text)
{
	size_t len = strnlen(text, SENSE_ACTIVITY_TEXT_MAX), size;
	check(len < SENSE_ACTIVITY_TEXT_MAX);
	for (size_t i = 0; i < len; i += size) {
		size = sense_utf8_char(text + i, len - i);
		if (!size || (unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return true;
}

static void tell(const uint8_t *op)
{
	struct sense_activity_report report;
	const struct sense_activity_view *view = &report.view;
	uint64_t ts_us = (uint64_t)op[3] << 40 | (uint64_t)op[4] << 30;
	if (!sense_activity_tell(&activities, latest.key, ts_us, latest.arrived, &report))
		return;
	check(view->confidence <= 100 && view->indicators && view->indicators <= SENSE_ACTIVITY_KINDS_MAX);
	check(view->evidence_count == view->indicators && view->since_us <= ts_us);
	for (unsigned i = 0; i < view->evidence_count; i++)
		check(plain(view->evidence[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	if (size < 2)
		return 0;
	size_t held = (size_t)data[0] << 8 | data[1], left = size - 2;
	held = held < left ? held : left;
	held = held < bytes ? held : bytes;
	memset(block, 0, sizeof block);
	memcpy(block, data + 2, held);
	latest = (struct sense_activity_step){0};
	attach();
	for (const uint8_t *op = data + 2 + held; end - op >= 8; op += 8) {
		size_t at = ((size_t)op[1] << 8 | op[2]) % (bytes - 8);
		if (op[0] % 8 == 0)
			memcpy(block + at, op + 3, 5);
		else if (op[0] % 8 == 1)
			attach();
		else if (op[0] % 8 < 5)
			add(op);
		else
			tell(op);
	}
	for (size_t i = bytes; i < sizeof block; i++)
		check(!block[i]);
	return 0;
}

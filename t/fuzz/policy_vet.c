/*
 * What the process that checks policies says, after code of somebody else ran in it: any packets. The first
 * two bytes of each say how long it is.
 */
#include "server/policy/vet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void heard(const struct sense_vet_hearing *hearing)
{
	char text[8192];
	if (hearing->file >= hearing->sources->count || *hearing->rules > 65536 ||
	    !memchr(hearing->why, '\0', sizeof hearing->why) || strchr(hearing->why, '\033'))
		abort();
	for (unsigned i = 0; i < hearing->report->count && i < SENSE_REPORT_MAX; i++) {
		sense_problem_format(&hearing->report->items[i], text, sizeof text);
		if (strchr(text, '\033'))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned rules = 0;
	struct sense_report report;
	struct sense_policy_source source = {"a.lua", "a", "", 0};
	struct sense_policy_sources sources = {.count = 1, .items = &source};
	struct sense_vet_hearing hearing = {.sources = &sources, .report = &report, .rules = &rules};
	sense_report_init(&report);
	while (size >= 2) {
		size_t len = (size_t)data[0] << 8 | data[1];
		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		char *packet = malloc(len + 1); /* its own: a byte too far is noticed */
		if (!packet)
			break;
		memcpy(packet, data, len);
		char *exact = realloc(packet, len ? len : 1);
		sense_vet_packet(&hearing, exact ? exact : packet, len);
		free(exact ? exact : packet);
		data += len;
		size -= len;
	}
	heard(&hearing);
	sense_report_fini(&report);
	return 0;
}

#include <string.h>

#include "core/rules/rule.h"

static const char *const names[] = {[SENSE_INFO] = "info",
				    [SENSE_LOW] = "low",
				    [SENSE_MEDIUM] = "medium",
				    [SENSE_HIGH] = "high",
				    [SENSE_CRITICAL] = "critical"};

const char *sense_severity_name(enum sense_severity severity)
{
	return (unsigned)severity <= SENSE_CRITICAL ? names[severity] : "unknown";
}

int sense_severity_find(const char *name)
{
	for (int i = SENSE_INFO; i <= SENSE_CRITICAL; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

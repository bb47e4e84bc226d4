#include "core/base/version.h"

#include <ctype.h>
#include <stdlib.h>

#define PARTS 3

const char *sense_version(void)
{
	return SENSE_VERSION_NUMBER;
}

static bool parse(const char *text, unsigned long parts[PARTS])
{
	for (unsigned i = 0; i < PARTS; i++) {
		char *end;
		if (!isdigit((unsigned char)*text))
			return false;
		parts[i] = strtoul(text, &end, 10);
		if (*end != '.')
			return !*end;
		text = end + 1;
	}
	return false;
}

bool sense_version_at_least(const char *wanted)
{
	unsigned long ours[PARTS] = {0}, theirs[PARTS] = {0};
	unsigned i = 0;

	if (!parse(sense_version(), ours) || !parse(wanted, theirs))
		return false;
	while (i < PARTS && ours[i] == theirs[i])
		i++;
	return i == PARTS || ours[i] > theirs[i];
}

#include "core/conf/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: a Lua number holds every integer up to here */

struct unit {
	const char *name;
	double scale;
};

static const struct unit byte_units[] = {
    {"", 1},          {"b", 1},    {"k", 1024},       {"kib", 1024},       {"kb", 1e3}, {"m", 1048576},
    {"mib", 1048576}, {"mb", 1e6}, {"g", 1073741824}, {"gib", 1073741824}, {"gb", 1e9}, {NULL, 0},
};

static const struct unit duration_units[] = {
    {"", 1e6}, {"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}, {NULL, 0},
};

/* strtod would also take signs, hex, "inf" and, by locale, other decimal points. */
static const char *decimal(const char *text, double *value)
{
	double number = 0, place = 1;
	const char *p = text;
	for (; isdigit((unsigned char)*p); p++)
		number = number * 10 + (*p - '0');
	if (p == text)
		return NULL;
	if (*p == '.') {
		if (!isdigit((unsigned char)p[1]))
			return NULL;
		for (p++; isdigit((unsigned char)*p); p++)
			number += (place /= 10) * (*p - '0');
	}
	*value = number;
	return p;
}

static bool quantity(const char *text, const struct unit *units, uint64_t *out)
{
	double value;
	const char *rest = decimal(text, &value);
	if (!rest)
		return false;
	while (*rest == ' ')
		rest++;
	for (; units->name; units++) {
		if (strcasecmp(rest, units->name))
			continue;
		value = round(value * units->scale);
		if (!(value <= EXACT_MAX))
			return false;
		*out = (uint64_t)value;
		return true;
	}
	return false;
}

bool sense_bytes_parse(const char *text, uint64_t *bytes)
{
	return quantity(text, byte_units, bytes);
}

bool sense_duration_parse(const char *text, uint64_t *us)
{
	return quantity(text, duration_units, us);
}

void sense_bytes_format(double bytes, char *out, size_t cap)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	unsigned unit = 0;
	while (unit < 5 && fabs(bytes) >= (unit ? 1023.95 : 1023.5)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, cap, unit ? "%.1f %s" : "%.0f %s", bytes, names[unit]);
}

void sense_duration_format(double seconds, char *out, size_t cap)
{
	if (!(fabs(seconds) < 1e12)) {
		snprintf(out, cap, "%g s", seconds);
		return;
	}
	if (seconds < 0.9995) {
		snprintf(out, cap, "%.0f ms", seconds * 1e3);
		return;
	}
	if (seconds < 59.95) {
		snprintf(out, cap, "%.1f s", seconds);
		return;
	}
	unsigned long long whole = (unsigned long long)(seconds + 0.5);
	if (whole < 3600)
		snprintf(out, cap, "%llum %llus", whole / 60, whole % 60);
	else if (whole < 86400)
		snprintf(out, cap, "%lluh %llum", whole / 3600, whole / 60 % 60);
	else
		snprintf(out, cap, "%llud %lluh", whole / 86400, whole / 3600 % 24);
}

#include "core/base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static enum sense_log_level threshold = SENSE_LOG_INFO;
static enum sense_log_format format = SENSE_LOG_AUTO;

void sense_log_setup(enum sense_log_level level, enum sense_log_format wanted)
{
	threshold = level;
	format = wanted;
	tzset(); /* reads the zone file now: a sandboxed worker cannot later */
}

static const char *level_name(enum sense_log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	return (unsigned)level < 4 ? names[level] : "error";
}

/* What a terminal or a JSON parser could misread becomes '?' or an escape. */
static void clean(char *out, size_t cap, const char *text, bool json)
{
	size_t o = 0;
	for (; *text && o + 8 < cap; text++) {
		unsigned char c = (unsigned char)*text;
		if (json && (c == '"' || c == '\\'))
			out[o++] = '\\';
		if (json && c == '\n') {
			out[o++] = '\\';
			c = 'n';
		}
		out[o++] = (c < 0x20 && !(c == '\n' && !json)) || c >= 0x7f ? '?' : (char)c;
	}
	out[o] = '\0';
}

void sense_vlog(enum sense_log_level level, const char *subsystem, const char *fmt, va_list args)
{
	if (level > threshold)
		return;
	char text[LINE_MAX_BYTES / 2], safe[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 256], clock[32];
	struct timespec now;
	struct tm local;
	vsnprintf(text, sizeof text, fmt, args);
	bool json = format == SENSE_LOG_JSON || (format == SENSE_LOG_AUTO && !isatty(STDERR_FILENO));
	clean(safe, sizeof safe, text, json);
	clock_gettime(CLOCK_REALTIME, &now);
	if (json) {
		gmtime_r(&now.tv_sec, &local);
		strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M:%S", &local);
		snprintf(line, sizeof line,
		         "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\",\"subsystem\":\"%s\",\"message\":\"%s\"}\n",
		         clock, now.tv_nsec / 1000000, level_name(level), subsystem, safe);
	} else {
		localtime_r(&now.tv_sec, &local);
		strftime(clock, sizeof clock, "%H:%M:%S", &local);
		snprintf(line, sizeof line, "%s %-5s %s: %s\n", clock, level_name(level), subsystem, safe);
	}
	/* One write a line, so that lines of two processes do not mix. */
	size_t left = strlen(line);
	for (const char *p = line; left;) {
		ssize_t n = write(STDERR_FILENO, p, left);
		if (n <= 0)
			break;
		p += n;
		left -= (size_t)n;
	}
}

void sense_log(enum sense_log_level level, const char *subsystem, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	sense_vlog(level, subsystem, fmt, args);
	va_end(args);
}

#include "core/base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum sense_status sense_vfail(sense_error *err, enum sense_status status, const char *subsystem,
                              const char *fmt, va_list args)
{
	if (!err)
		return status;
	/* The arguments may point into err->message, so it is written last. */
	char text[SENSE_ERROR_MESSAGE_MAX];
	int length = vsnprintf(text, sizeof text, fmt, args);
	if (length < 0)
		text[0] = '\0';
	else if ((size_t)length >= sizeof text)
		memcpy(text + sizeof text - 4, "...", 4);
	err->status = status;
	snprintf(err->subsystem, sizeof err->subsystem, "%s", subsystem);
	memcpy(err->message, text, sizeof text);
	return status;
}

enum sense_status sense_fail(sense_error *err, enum sense_status status, const char *subsystem,
                             const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	sense_vfail(err, status, subsystem, fmt, args);
	va_end(args);
	return status;
}

enum sense_status sense_fail_errno(sense_error *err, const char *subsystem, const char *fmt, ...)
{
	int code = errno;
	char text[SENSE_ERROR_MESSAGE_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	enum sense_status status = code == ENOENT   ? SENSE_E_NOTFOUND
	                           : code == ENOMEM ? SENSE_E_MEMORY
	                                            : SENSE_E_IO;
	return sense_fail(err, status, subsystem, "%s: %s", text, strerror(code));
}

const char *sense_status_name(enum sense_status status)
{
	static const char *const names[] = {
	    [SENSE_OK] = "ok",
	    [SENSE_E_MEMORY] = "memory",
	    [SENSE_E_IO] = "io",
	    [SENSE_E_FORMAT] = "format",
	    [SENSE_E_TRUNCATED] = "truncated",
	    [SENSE_E_LIMIT] = "limit",
	    [SENSE_E_UNSUPPORTED] = "unsupported",
	    [SENSE_E_VERSION] = "version",
	    [SENSE_E_NOTFOUND] = "not_found",
	    [SENSE_E_CONFIG] = "config",
	    [SENSE_E_SCRIPT] = "script",
	    [SENSE_E_INTERNAL] = "internal",
	};
	return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown";
}

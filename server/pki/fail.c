#include "server/pki/fail.h"

#include <openssl/err.h>
#include <stdarg.h>

enum sense_status sense_pki_fail(sense_error *err, enum sense_status status, const char *fmt, ...)
{
	va_list args;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	va_start(args, fmt);
	sense_vfail(err, status, "pki", fmt, args);
	va_end(args);
	if (err && reason)
		sense_fail(err, status, "pki", "%s: %s", err->message, reason);
	ERR_clear_error();
	return status;
}

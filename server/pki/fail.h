/*
 * Errors of what OpenSSL does: its reason goes behind our sentence, and its queue is left empty.
 */
#ifndef SENSE_SERVER_PKI_FAIL_H
#define SENSE_SERVER_PKI_FAIL_H

#include "core/base/status.h"

/* As sense_fail, in the name of "pki", with ": " and OpenSSL's reason at the end where there is one. */
enum sense_status sense_pki_fail(sense_error *err, enum sense_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif

/*
 * Log: one line a message on stderr; text on a terminal, JSON lines otherwise.
 * Text: "12:04:05 warn  pcap: message". JSON: {"ts":...,"level":...,"subsystem":...,"message":...}.
 */
#ifndef SENSE_BASE_LOG_H
#define SENSE_BASE_LOG_H

#include <stdarg.h>

#include "core/sense_plugin.h"

enum sense_log_format { SENSE_LOG_AUTO, SENSE_LOG_TEXT, SENSE_LOG_JSON };

void sense_log_setup(enum sense_log_level level, enum sense_log_format wanted);
void sense_log(enum sense_log_level level, const char *subsystem, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sense_vlog(enum sense_log_level level, const char *subsystem, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif

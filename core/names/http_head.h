/*
 * One request head as it lies in memory: http.c puts it together from segments. Nothing is kept of
 * the bytes but what struct sense_http describes.
 */
#ifndef SENSE_NAMES_HTTP_HEAD_H
#define SENSE_NAMES_HTTP_HEAD_H

#include "core/names/http.h"

/* A request line without its line feed: method, target and an HTTP/1.x version. */
bool sense_http_line_valid(const char *line, size_t len);

/* Request line and headers, up to the empty line or not; false when the first line is no request. */
bool sense_http_head_read(const char *bytes, size_t len, struct sense_http *out);

#endif

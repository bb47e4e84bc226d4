/*
 * The AI catalogue: which hosts, paths, headers and ports belong to which AI service.
 *
 * Loaded from the tables in policies/catalogue (formats in its README.md) and compiled into
 * an exact map, a glob list and a label-suffix hash. Immutable once loaded; every returned pointer
 * lives as long as the catalogue. A malformed row fails the load with file and line.
 */
#ifndef SENSE_CATALOGUE_CATALOGUE_H
#define SENSE_CATALOGUE_CATALOGUE_H

#include "core/base/status.h"

typedef struct sense_catalogue sense_catalogue;

struct sense_service {
	const char *id;       /* "chatgpt" */
	const char *name;     /* "ChatGPT" */
	const char *vendor;   /* "OpenAI" */
	const char *category; /* "chat", "api", "coding", ... */
	const char *risk;     /* "low", "medium", "high": a suggestion */
};

enum sense_host_match { SENSE_MATCH_EXACT, SENSE_MATCH_GLOB, SENSE_MATCH_SUFFIX };

struct sense_host_row {
	const struct sense_service *service;
	const char *domain;
	uint16_t index;   /* of the row: sense_catalogue_row(index) */
	uint8_t match;    /* enum sense_host_match */
	char grade;       /* 'A' ... 'D', 'U' (policies/catalogue/README.md) */
	bool shared;      /* the host also carries traffic that is not AI */
	bool conclusive;  /* not shared and of grade A, B or C: may alert alone */
};

sense_catalogue *sense_catalogue_load(const char *dir, sense_error *err);
void sense_catalogue_free(sense_catalogue *catalogue); /* NULL is fine */
/* The version in the folder's VERSION file: "2026-11-22.1". */
const char *sense_catalogue_version(const sense_catalogue *catalogue);

/*
 * The row for a host name in lower case without trailing dot; NULL when none matches. Order: exact,
 * then glob, then the longest suffix, and a suffix matches at label boundaries only: "openai.com"
 * matches "api.openai.com", never "xopenai.com".
 */
const struct sense_host_row *sense_catalogue_host(const sense_catalogue *catalogue,
                                                  const char *host, size_t len);
const struct sense_host_row *sense_catalogue_row(const sense_catalogue *catalogue, unsigned index);
unsigned sense_catalogue_row_count(const sense_catalogue *catalogue);
const struct sense_service *sense_catalogue_service(const sense_catalogue *catalogue,
                                                    const char *id);

/* Labels of wire signals and clients ("Ollama", "MCP", "Claude Code"), numbered from 0. */
const char *sense_catalogue_label(const sense_catalogue *catalogue, unsigned label);

#endif

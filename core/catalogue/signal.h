/*
 * What one clear-text HTTP request says about AI: an OpenAI-compatible, Ollama, Anthropic, MCP, ...
 * call by its method, path, headers, user agent and port.
 *
 * Indicators add up: strong 100, medium 60, weak 30, the runtime's own default port 40. At 100 the
 * request is taken for what the label says: one conclusive indicator, or two independent ones.
 */
#ifndef SENSE_CATALOGUE_SIGNAL_H
#define SENSE_CATALOGUE_SIGNAL_H

#include "core/catalogue/catalogue.h"
#include "core/names/http.h"

#define SENSE_SIGNAL_EVIDENCE_MAX 6

struct sense_signal {
	uint8_t score;   /* 0-100 */
	uint16_t label;  /* label + 1 of what is spoken, 0: nothing known */
	uint16_t client; /* label + 1 of the program by its user agent, 0: not known */
	unsigned evidence_count;
	char evidence[SENSE_SIGNAL_EVIDENCE_MAX][64]; /* "path:/api/chat", "port:11434" */
};

void sense_signal_of(const sense_catalogue *catalogue, const struct sense_http *request,
                     uint16_t dst_port, struct sense_signal *out);

#endif

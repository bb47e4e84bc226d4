#include "core/catalogue/signal.h"

#include <stdio.h>
#include <string.h>

#include "core/catalogue/internal.h"

static void evidence_add(struct sense_signal *out, const char *kind, const char *what)
{
	if (out->evidence_count < SENSE_SIGNAL_EVIDENCE_MAX)
		snprintf(out->evidence[out->evidence_count++], sizeof *out->evidence, "%s:%s", kind, what);
}

/* The indicators of one request, each the best of its kind. */
struct indicators {
	const struct sense_mark *path;
	const struct sense_mark *header;
	const struct sense_mark *credential;
	const struct sense_mark *agent;
};

static const struct sense_mark *better(const struct sense_mark *a, const struct sense_mark *b)
{
	return !a || b->points > a->points ? b : a;
}

static const struct sense_mark *path_find(const sense_catalogue *catalogue,
                                          const struct sense_http *request)
{
	unsigned method = sense_method_bit(request->method);
	size_t len = strnlen(request->path, sizeof request->path);
	const struct sense_mark *best = NULL;
	if (!method || !len)
		return NULL;
	for (unsigned i = 0; i < catalogue->path_count; i++) {
		const struct sense_path_row *row = &catalogue->paths[i];
		/* Most rows part from the path at the second character. */
		bool apart = row->kind != SENSE_PATTERN_SUFFIX && len > 1 && row->mark.name[1] != '{' &&
		             row->mark.name[1] != '(' && row->mark.name[1] != request->path[1];
		if (apart || !(row->methods & method) || (best && best->points >= row->mark.points))
			continue;
		if (sense_pattern_matches(row->mark.name, (enum sense_pattern_kind)row->kind, request->path, len))
			best = &row->mark;
	}
	return best;
}

static const struct sense_mark *header_find(const sense_catalogue *catalogue, uint32_t markers)
{
	const struct sense_mark *best = NULL;
	for (; markers; markers &= markers - 1) {
		const struct sense_mark *mark = &catalogue->markers[__builtin_ctz(markers)];
		if (mark->name)
			best = better(best, mark);
	}
	return best;
}

/* The longest prefix: "OpenAI/Python " rather than "OpenAI". */
static const struct sense_mark *agent_find(const sense_catalogue *catalogue, const char *agent)
{
	const struct sense_agent_row *best = NULL;
	for (unsigned i = 0; *agent && i < catalogue->agent_count; i++) {
		const struct sense_agent_row *row = &catalogue->agents[i];
		if (row->mark.name[0] == agent[0] && (!best || row->len > best->len) &&
		    !strncmp(agent, row->mark.name, row->len))
			best = row;
	}
	return best ? &best->mark : NULL;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static const struct sense_port_row *ports_from(const sense_catalogue *catalogue, uint16_t port)
{
	unsigned low = 0, high = catalogue->port_count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (catalogue->ports[middle].port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return &catalogue->ports[low];
}

/* An API that many programs speak: "OpenAI-compatible". */
static bool is_family(const char *label)
{
	static const char tail[] = "-compatible";
	size_t len = strlen(label);
	return len >= sizeof tail && !strcmp(label + len - (sizeof tail - 1), tail);
}

/*
 * Label of the runtime whose default port this is, when that says something about `label`: the same
 * program; or, for a family, the one program that listens there by default. -1: the port tells
 * nothing, as 8080 never does about a family.
 */
static int port_label(const sense_catalogue *catalogue, uint16_t port, uint16_t label)
{
	if (!catalogue->port_count)
		return -1;
	const struct sense_port_row *row = ports_from(catalogue, port);
	const struct sense_port_row *end = catalogue->ports + catalogue->port_count;
	const struct sense_port_row *first = row;
	for (; row < end && row->port == port; row++)
		if (row->label == label)
			return label;
	return row - first == 1 && first->serves && is_family(catalogue->labels[label]) ? first->label : -1;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static unsigned add(struct sense_signal *out, const char *kind, const struct sense_mark *mark)
{
	if (!mark || !mark->points)
		return 0;
	evidence_add(out, kind, mark->name);
	return mark->points;
}

/* What names the request: its strongest indicator; between equals, what is asked for comes first. */
static const struct sense_mark *naming(const struct indicators *in)
{
	const struct sense_mark *order[] = {in->path, in->header, in->credential, in->agent};
	const struct sense_mark *best = NULL;
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++)
		if (order[i] && order[i]->points)
			best = better(best, order[i]);
	return best;
}

static bool negotiates(const sense_catalogue *catalogue, const struct sense_http *request,
                       const struct sense_mark *path)
{
	return path && catalogue->negotiation.name && path->label == catalogue->negotiation.label &&
	       (request->markers & SENSE_HTTP_ACCEPT_SSE) && !strcmp(request->method, "POST") &&
	       !strcmp(request->content_type, "application/json");
}

void sense_signal_of(const sense_catalogue *catalogue, const struct sense_http *request,
                     uint16_t dst_port, struct sense_signal *out)
{
	unsigned score = 0;
	memset(out, 0, sizeof *out);
	struct indicators in = {
	    .path = path_find(catalogue, request),
	    .header = header_find(catalogue, request->markers),
	    .agent = agent_find(catalogue, request->user_agent),
	};
	if (request->credential < SENSE_CATALOGUE_CREDENTIALS &&
	    catalogue->credentials[request->credential].name)
		in.credential = &catalogue->credentials[request->credential];
	if (in.agent)
		out->client = (uint16_t)(in.agent->label + 1);
	const struct sense_mark *name = naming(&in);
	if (!name)
		return;
	score += add(out, "path", in.path);
	score += add(out, "header", in.header);
	score += add(out, "credential", in.credential);
	score += add(out, "agent", in.agent);
	if (negotiates(catalogue, request, in.path))
		score += add(out, "accept", &catalogue->negotiation);
	out->label = (uint16_t)(name->label + 1);
	int runtime = port_label(catalogue, dst_port, name->label);
	if (runtime >= 0) {
		char port[8];
		snprintf(port, sizeof port, "%u", dst_port);
		evidence_add(out, "port", port);
		score += SENSE_POINTS_PORT;
		out->label = (uint16_t)(runtime + 1);
	}
	out->score = (uint8_t)(score < 100 ? score : 100);
}

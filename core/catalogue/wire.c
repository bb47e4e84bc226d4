/* wire.tsv and runtimes.tsv: what clear-text requests tell, and on which ports runtimes listen. */
#include <stdio.h>
#include <stdlib.h>

#include "core/catalogue/internal.h"
#include "core/catalogue/tsv.h"
#include "core/names/http.h"

enum column { KIND, PATTERN, MATCH, METHOD, LABEL, WEIGHT, GRADE, NOTE, SOURCES };
static const char *const wire_columns[] = {"kind",   "pattern", "match", "method",  "label",
                                           "weight", "grade",   "note",  "sources", NULL};
enum kind { HTTP_PATH, HTTP_HEADER, USER_AGENT, CREDENTIAL, NEGOTIATION };
static const char *const kinds[] = {
    [HTTP_PATH] = "http_path",   [HTTP_HEADER] = "http_header",
    [USER_AGENT] = "user_agent", [CREDENTIAL] = "credential",
    [NEGOTIATION] = "negotiation", "mcp_method", "body", "content_type", "file_magic", "ja4",
    "tls_quic", NULL};
static const char *const weights[] = {"strong", "medium", "weak", "info", NULL};
static const uint8_t points_of[] = {SENSE_POINTS_STRONG, SENSE_POINTS_MEDIUM, SENSE_POINTS_WEAK, 0};

unsigned sense_method_bit(const char *method)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"};
	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
		if (!strcmp(methods[i], method))
			return 1u << i;
	return 0;
}

/* "GET;POST" or "*". */
static enum sense_status methods_read(const struct sense_tsv *tsv, char *text, uint8_t *mask,
                                      sense_error *err)
{
	*mask = 0;
	if (!strcmp(text, "*")) {
		*mask = UINT8_MAX;
		return SENSE_OK;
	}
	for (char *at = text; at;) {
		char *next = strchr(at, ';');
		if (next)
			*next++ = '\0';
		unsigned bit = sense_method_bit(at);
		if (!bit)
			return sense_tsv_fail(tsv, err, "method '%s' is not known: GET, POST, PUT, DELETE, HEAD, "
			                                "PATCH, OPTIONS, separated by ';', or '*'", at);
		*mask |= (uint8_t)bit;
		at = next;
	}
	return SENSE_OK;
}

static enum sense_status path_add(sense_catalogue *catalogue, const struct sense_tsv *tsv,
                                  const struct sense_mark *mark, sense_error *err)
{
	static const char *const words[] = {[SENSE_PATTERN_WHOLE] = "template",
	                                    [SENSE_PATTERN_PREFIX] = "prefix",
	                                    [SENSE_PATTERN_SUFFIX] = "suffix", NULL};
	struct sense_path_row row = {.mark = *mark};
	unsigned kind;
	enum sense_status status = sense_tsv_word(tsv, "match", tsv->field[MATCH], words, &kind, err);
	if (!status)
		status = methods_read(tsv, tsv->field[METHOD], &row.methods, err);
	if (status)
		return status;
	row.kind = (uint8_t)kind;
	const char *fault = sense_pattern_fault(mark->name, (enum sense_pattern_kind)kind);
	if (fault)
		return sense_tsv_fail(tsv, err, "pattern '%s' %s", mark->name, fault);
	for (unsigned i = 0; i < catalogue->path_count; i++) {
		const struct sense_path_row *other = &catalogue->paths[i];
		if (other->kind == row.kind && (other->methods & row.methods) &&
		    !strcmp(other->mark.name, mark->name))
			return sense_tsv_fail(tsv, err, "pattern '%s' is there already", mark->name);
	}
	catalogue->paths[catalogue->path_count++] = row;
	return SENSE_OK;
}

/* A header that the dissector does not look for is kept in the file, not in the index. */
static void header_add(sense_catalogue *catalogue, const struct sense_mark *mark)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} known[] = {{"Mcp-Session-Id", SENSE_HTTP_MCP_SESSION},
	             {"MCP-Protocol-Version", SENSE_HTTP_MCP_VERSION},
	             {"Mcp-Method", SENSE_HTTP_MCP_METHOD},
	             {"anthropic-version", SENSE_HTTP_ANTHROPIC},
	             {"OpenAI-Organization", SENSE_HTTP_OPENAI},
	             {"x-goog-api-key", SENSE_HTTP_GOOGLE},
	             {"api-key", SENSE_HTTP_AZURE},
	             {"X-Stainless-", SENSE_HTTP_STAINLESS},
	             {"HTTP-Referer + X-Title", SENSE_HTTP_OPENROUTER},
	             {"Copilot-Integration-Id", SENSE_HTTP_COPILOT},
	             {"x-cursor-", SENSE_HTTP_CURSOR},
	             {"Helicone-Auth", SENSE_HTTP_GATEWAY}};
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i].name, mark->name))
			catalogue->markers[__builtin_ctz(known[i].bit)] = *mark;
}

static void credential_add(sense_catalogue *catalogue, const struct sense_mark *mark)
{
	static const char *const known[] = {[SENSE_CREDENTIAL_OPENAI] = "openai",
	                                    [SENSE_CREDENTIAL_ANTHROPIC] = "anthropic",
	                                    [SENSE_CREDENTIAL_GOOGLE] = "google",
	                                    [SENSE_CREDENTIAL_HUGGINGFACE] = "huggingface",
	                                    [SENSE_CREDENTIAL_GITHUB] = "github"};
	for (unsigned i = SENSE_CREDENTIAL_OPENAI; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i], mark->name))
			catalogue->credentials[i] = *mark;
}

static enum sense_status wire_row(sense_catalogue *catalogue, struct sense_tsv *tsv, sense_error *err)
{
	char **f = tsv->field;
	unsigned kind, weight, grade;
	enum sense_status status;
	for (unsigned i = 0; i <= SOURCES; i++)
		if (i != NOTE && !*f[i])
			return sense_tsv_fail(tsv, err, "%s is empty", wire_columns[i]);
	if ((status = sense_tsv_word(tsv, "kind", f[KIND], kinds, &kind, err)) ||
	    (status = sense_tsv_word(tsv, "weight", f[WEIGHT], weights, &weight, err)) ||
	    (status = sense_tsv_word(tsv, "grade", f[GRADE], sense_grades, &grade, err)))
		return status;
	if (kind > NEGOTIATION)
		return SENSE_OK;
	int label = sense_catalogue_label_put(catalogue, f[LABEL]);
	if (label < 0)
		return sense_tsv_fail(tsv, err, "more than %u labels", SENSE_CATALOGUE_LABELS_MAX);
	struct sense_mark mark = {f[PATTERN], (uint16_t)label, points_of[weight]};
	/* What is not well sourced never decides alone. */
	if (!sense_grade_may_alert(f[GRADE][0]) && mark.points > SENSE_POINTS_MEDIUM)
		mark.points = SENSE_POINTS_MEDIUM;
	switch ((enum kind)kind) {
	case HTTP_PATH: return path_add(catalogue, tsv, &mark, err);
	case HTTP_HEADER: header_add(catalogue, &mark); break;
	case CREDENTIAL: credential_add(catalogue, &mark); break;
	case NEGOTIATION: catalogue->negotiation = mark; break;
	case USER_AGENT:
		if (!strcmp(f[MATCH], "prefix"))
			catalogue->agents[catalogue->agent_count++] =
			    (struct sense_agent_row){mark, (uint16_t)strlen(mark.name)};
		break;
	}
	return SENSE_OK;
}

enum sense_status sense_catalogue_add_wire(sense_catalogue *catalogue, const char *name, char *text,
                                           size_t len, sense_error *err)
{
	struct sense_arena *arena = &catalogue->arena;
	unsigned rows = sense_catalogue_line_count(text, len);
	struct sense_tsv tsv;
	bool more = true;
	if (!(catalogue->paths = sense_arena_alloc(arena, rows * sizeof *catalogue->paths)) ||
	    !(catalogue->agents = sense_arena_alloc(arena, rows * sizeof *catalogue->agents)))
		return sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory for %s", name);
	enum sense_status status = sense_tsv_open(&tsv, name, text, len, wire_columns, err);
	while (!status && !(status = sense_tsv_next(&tsv, &more, err)) && more)
		status = wire_row(catalogue, &tsv, err);
	return status;
}

/* ---- runtimes.tsv ---------------------------------------------------------------------------- */

enum runtime_column { R_ID, R_NAME, R_CLASS, R_RISK, R_PORTS = 6, R_GRADE = 10, R_SOURCES };
static const char *const runtime_columns[] = {
    "id",          "name",          "class",         "risk_tier",    "process_names",
    "argv_patterns", "default_ports", "config_paths", "model_or_data_paths", "unattended_flags",
    "grade",       "sources",       NULL};
static const char *const classes[] = {
    "local-llm", "coding-server", "model-serving", "gateway", /* these serve models */
    "agent-framework", "agent-platform", "ai-browser", "ai-ide", "ai-terminal", "autonomous-agent",
    "chat-ui", "cli-assistant", "coding-agent", "coding-assistant", "desktop-app", "ide-agent",
    "ide-assistant", "local-audio", "local-image", "mcp-server", "ml-training", "ml-ui", "rag",
    "vectordb", NULL};
#define CLASSES_SERVING 4u
#define PORTS_MAX 1024u

static enum sense_status ports_add(sense_catalogue *catalogue, struct sense_tsv *tsv, unsigned class,
                                   sense_error *err)
{
	int label = sense_catalogue_label_put(catalogue, tsv->field[R_NAME]);
	if (label < 0)
		return sense_tsv_fail(tsv, err, "more than %u labels", SENSE_CATALOGUE_LABELS_MAX);
	for (char *at = tsv->field[R_PORTS]; *at;) {
		char *end = at;
		unsigned long port = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
		if (!port || port > UINT16_MAX || (*end && (*end != ';' || !end[1])))
			return sense_tsv_fail(tsv, err, "default_ports '%s': expected ports from 1 to 65535, "
			                                "separated by ';'", at);
		if (catalogue->port_count == PORTS_MAX)
			return sense_tsv_fail(tsv, err, "more than %u ports", PORTS_MAX);
		catalogue->ports[catalogue->port_count++] =
		    (struct sense_port_row){(uint16_t)port, (uint16_t)label, class < CLASSES_SERVING};
		at = *end ? end + 1 : end;
	}
	return SENSE_OK;
}

static enum sense_status runtime_row(sense_catalogue *catalogue, struct sense_tsv *tsv,
                                     struct sense_namemap *ids, sense_error *err)
{
	static const char *const risks[] = {"low", "medium", "high", NULL};
	char **f = tsv->field;
	unsigned class, unused;
	enum sense_status status;
	if (!*f[R_ID] || !*f[R_NAME] || !*f[R_SOURCES])
		return sense_tsv_fail(tsv, err, "id, name or sources is empty");
	if ((status = sense_tsv_word(tsv, "class", f[R_CLASS], classes, &class, err)) ||
	    (status = sense_tsv_word(tsv, "risk_tier", f[R_RISK], risks, &unused, err)) ||
	    (status = sense_tsv_word(tsv, "grade", f[R_GRADE], sense_grades, &unused, err)))
		return status;
	if (sense_namemap_find(ids, f[R_ID], strlen(f[R_ID])) >= 0)
		return sense_tsv_fail(tsv, err, "id '%s' is there already", f[R_ID]);
	sense_namemap_put(ids, f[R_ID], strlen(f[R_ID]));
	return ports_add(catalogue, tsv, class, err);
}

static int port_order(const void *a, const void *b)
{
	const struct sense_port_row *left = a, *right = b;
	return left->port != right->port ? (left->port < right->port ? -1 : 1)
	                                 : (int)left->label - (int)right->label;
}

enum sense_status sense_catalogue_add_runtimes(sense_catalogue *catalogue, const char *name,
                                               char *text, size_t len, sense_error *err)
{
	struct sense_arena *arena = &catalogue->arena;
	struct sense_namemap ids;
	struct sense_tsv tsv;
	bool more = true;
	if (sense_namemap_init(&ids, arena, sense_catalogue_line_count(text, len)) ||
	    !(catalogue->ports = sense_arena_alloc(arena, PORTS_MAX * sizeof *catalogue->ports)))
		return sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory for %s", name);
	enum sense_status status = sense_tsv_open(&tsv, name, text, len, runtime_columns, err);
	while (!status && !(status = sense_tsv_next(&tsv, &more, err)) && more)
		status = runtime_row(catalogue, &tsv, &ids, err);
	if (!status && catalogue->port_count)
		qsort(catalogue->ports, catalogue->port_count, sizeof *catalogue->ports, port_order);
	return status;
}

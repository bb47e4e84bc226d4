/* What one clear-text request is taken for, by the shipped catalogue. */
#include "core/catalogue/signal.h"
#include "t/tap.h"

static sense_catalogue *catalogue;

struct request {
	const char *what;
	uint16_t port;
	const char *method, *path, *agent, *type;
	uint32_t markers;
	uint8_t credential;
	unsigned score; /* expected; label and client: NULL is none */
	const char *label, *client;
};

static struct sense_signal signal_of(const struct request *r)
{
	struct sense_http http = {.markers = r->markers, .credential = r->credential};
	struct sense_signal signal;
	snprintf(http.method, sizeof http.method, "%s", r->method);
	snprintf(http.path, sizeof http.path, "%s", r->path);
	snprintf(http.user_agent, sizeof http.user_agent, "%s", r->agent ? r->agent : "curl/8.5.0");
	snprintf(http.content_type, sizeof http.content_type, "%s", r->type ? r->type : "");
	sense_signal_of(catalogue, &http, r->port, &signal);
	return signal;
}

#define JSON "application/json"
#define MCP_HEADERS (SENSE_HTTP_MCP_SESSION | SENSE_HTTP_MCP_VERSION | SENSE_HTTP_ACCEPT_SSE)

static const struct request requests[] = {
    /* found */
    {"Ollama chat", 11434, "POST", "/api/chat", 0, 0, 0, 0, 100, "Ollama", 0},
    {"Ollama generate anywhere", 9999, "POST", "/api/generate", 0, 0, 0, 0, 100, "Ollama", 0},
    {"Ollama tags", 11434, "GET", "/api/tags", 0, 0, 0, 0, 100, "Ollama", 0},
    {"Ollama version", 11434, "GET", "/api/version", 0, 0, 0, 0, 100, "Ollama", 0},
    {"OpenAI form on Ollama's port", 11434, "POST", "/v1/chat/completions", 0, 0, 0, 0, 100, "Ollama", 0},
    {"Anthropic form on Ollama's port", 11434, "POST", "/v1/messages", 0, 0, 0, 0, 100, "Ollama", 0},
    {"OpenAI form anywhere", 8080, "POST", "/v1/chat/completions", 0, JSON, 0, 0, 100, "OpenAI-compatible", 0},
    {"below another base", 80, "POST", "/llm/v3/chat/completions", 0, JSON, 0, 0, 100, "OpenAI-compatible", 0},
    {"embeddings", 8000, "POST", "/v1/embeddings", 0, JSON, 0, 0, 100, "OpenAI-compatible", 0},
    {"LM Studio", 1234, "POST", "/v1/responses", 0, JSON, 0, 0, 100, "LM Studio", 0},
    {"llama.cpp", 8080, "POST", "/completion", 0, JSON, 0, 0, 100, "llama.cpp", 0},
    {"ComfyUI", 8188, "POST", "/prompt", 0, JSON, 0, 0, 100, "ComfyUI", 0},
    {"MCP by headers, any path", 3000, "POST", "/", 0, JSON, MCP_HEADERS, 0, 100, "MCP", 0},
    {"MCP without headers", 3000, "POST", "/mcp", 0, JSON, SENSE_HTTP_ACCEPT_SSE, 0, 100, "MCP", 0},
    {"MCP, slash at the end", 3000, "POST", "/mcp/", 0, JSON, SENSE_HTTP_ACCEPT_SSE, 0, 100, "MCP", 0},
    {"MCP stream", 3000, "GET", "/mcp", 0, 0, MCP_HEADERS, 0, 100, "MCP", 0},
    {"Anthropic by header", 8080, "POST", "/v1/messages", 0, JSON, SENSE_HTTP_ANTHROPIC, 0, 100,
     "Anthropic-compatible", 0},
    {"Claude Code to a gateway", 4000, "POST", "/v1/messages", "claude-cli/2.1.45 (external)", JSON,
     SENSE_HTTP_ANTHROPIC, 0, 100, "LiteLLM", "Claude Code"},
    {"an SDK on an unknown path", 8080, "POST", "/x", "OpenAI/Python 1.99.0", JSON, 0, 0, 100, "OpenAI SDK",
     "OpenAI SDK"},
    {"Gemini", 80, "POST", "/v1beta/models/gemini-2:streamGenerateContent", 0, JSON, 0, 0, 100, "Gemini API", 0},
    {"two that are not well sourced", 80, "POST", "/aiserver.v1.Chat/Stream", 0, 0, SENSE_HTTP_CURSOR, 0, 100,
     "Cursor", 0},
    /* near misses */
    {"one that is not well sourced", 80, "POST", "/aiserver.v1.Chat/Stream", 0, 0, 0, 0, 60, "Cursor", 0},
    {"a page on Ollama's port", 11434, "GET", "/index.html", 0, 0, 0, 0, 0, 0, 0},
    {"JSON-RPC of a ledger", 8545, "POST", "/", 0, JSON, 0, 0, 0, 0, 0},
    {"a web shop's chat", 80, "POST", "/api/chat", "Mozilla/5.0", JSON, 0, 0, 60, "Ollama", 0},
    {"a blog's tags", 80, "GET", "/api/tags", "Mozilla/5.0", 0, 0, 0, 60, "Ollama", 0},
    {"an SMS gateway", 80, "POST", "/v1/messages", 0, JSON, 0, 0, 60, "Anthropic-compatible", 0},
    {"survey answers", 80, "POST", "/v1/responses", 0, JSON, 0, 0, 60, "OpenAI-compatible", 0},
    {"a list of car models", 80, "GET", "/v1/models", 0, 0, 0, 0, 30, "OpenAI-compatible", 0},
    {"GET of a POST path", 80, "GET", "/v1/chat/completions", 0, 0, 0, 0, 0, 0, 0},
    {"a longer path", 80, "POST", "/v1/chat/completionsx", 0, 0, 0, 0, 0, 0, 0},
    {"server-sent events", 80, "GET", "/sse", 0, 0, SENSE_HTTP_ACCEPT_SSE, 0, 30, "MCP", 0},
    {"streaming JSON elsewhere", 80, "POST", "/graphql", 0, JSON, SENSE_HTTP_ACCEPT_SSE, 0, 0, 0, 0},
    {"an image from a registry", 80, "GET", "/v2/library/nginx/manifests/latest", "docker/27", 0, 0, 0, 30,
     "Ollama", 0},
    {"status page with httpx", 8080, "GET", "/info", "python-httpx/0.27", 0, 0, 0, 70, "HF TGI", "httpx"},
    {"Google Maps key", 80, "GET", "/maps", 0, 0, SENSE_HTTP_GOOGLE, SENSE_CREDENTIAL_GOOGLE, 60, "Gemini API", 0},
    {"a search engine's api-key", 80, "POST", "/indexes", 0, JSON, SENSE_HTTP_AZURE, 0, 30, "Azure OpenAI", 0},
    {"a crawler", 80, "GET", "/", "GPTBot/1.1", 0, 0, 0, 0, 0, "crawler"},
    {"the runtime's port alone", 11434, "POST", "/upload", 0, JSON, 0, 0, 0, 0, 0},
    {"another method", 11434, "BREW", "/api/chat", 0, 0, 0, 0, 0, 0, 0},
    {"no path", 11434, "POST", "", 0, 0, 0, 0, 0, 0, 0},
};

static const char *name(uint16_t label)
{
	return label ? sense_catalogue_label(catalogue, label - 1u) : NULL;
}

int main(void)
{
	sense_error err;
	catalogue = sense_catalogue_load("policies/catalogue", &err);
	if (!ok(catalogue != NULL, "the shipped catalogue loads")) {
		fprintf(stderr, "# %s\n", err.message);
		return tap_done();
	}
	for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
		const struct request *r = &requests[i];
		struct sense_signal signal = signal_of(r);
		is_num(signal.score, r->score, "%s: score", r->what);
		is_str(name(signal.label), r->label, "%s: label", r->what);
		is_str(name(signal.client), r->client, "%s: client", r->what);
	}
	struct request all = {"", 3000, "POST", "/mcp", "claude-code/2.1", JSON, UINT32_MAX,
	                      SENSE_CREDENTIAL_ANTHROPIC, 0, 0, 0};
	struct sense_signal signal = signal_of(&all);
	is_num(signal.evidence_count, 5, "evidence of each kind");
	is_str(signal.evidence[0], "path:/mcp", "the path's is the pattern, never the request's text");
	is_str(signal.evidence[4], "accept:POST application/json, Accept text/event-stream", "the last one");
	all.credential = UINT8_MAX;
	signal_of(&all);
	struct request ollama = {"", 11434, "POST", "/api/chat", 0, 0, 0, 0, 0, 0, 0};
	signal = signal_of(&ollama);
	is_str(signal.evidence[1], "port:11434", "the port is evidence");
	ok(!sense_catalogue_label(catalogue, 65535), "no label past the last");
	sense_catalogue_free(catalogue);
	return tap_done();
}

#include "contrib/load/state.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "proto/uuid.h"

#define MAGIC UINT64_C(0x31646f4c65736e53)

static enum sense_status fits(const struct load_state *state, const char *path, unsigned agents,
                              uint64_t seed, sense_error *err)
{
	if (state->magic == MAGIC && state->agents == agents && state->seed == seed)
		return SENSE_OK;
	return sense_fail(
	    err, SENSE_E_CONFIG, "load",
	    "%s is not of a run with %u agents and the seed %llu: name another file, or remove it", path,
	    agents, (unsigned long long)seed);
}

enum sense_status load_state_open(const char *path, unsigned agents, uint64_t seed, uint64_t step_us,
                                  struct load_state **out, sense_error *err)
{
	size_t size = sizeof(struct load_state) + agents * sizeof(struct load_spool);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	struct stat st = {0};
	if (path && (fd < 0 || fstat(fd, &st)))
		return sense_fail_errno(err, "load", "%s", path);
	enum sense_status status = SENSE_OK;
	struct load_state *state = NULL;
	if (st.st_size && (size_t)st.st_size != size)
		status = fits(&(struct load_state){0}, path, agents, seed, err);
	else if (path && ftruncate(fd, (off_t)size))
		status = sense_fail_errno(err, "load", "%s", path);
	if (!status) {
		state = mmap(NULL, size, PROT_READ | PROT_WRITE,
		             path ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS, fd, 0);
		if (state == MAP_FAILED)
			status = sense_fail_errno(err, "load", "no memory for %u agents", agents);
		else if (state->magic)
			status = fits(state, path, agents, seed, err);
	}
	if (fd >= 0)
		close(fd);
	if (status)
		return status;
	if (!state->magic) {
		state->size = size;
		state->seed = seed;
		state->agents = agents;
		state->begin_us = sense_clock_us();
		state->step_us = step_us;
		state->magic = MAGIC;
	}
	*out = state;
	return SENSE_OK;
}

void load_state_close(struct load_state *state)
{
	if (state)
		munmap(state, state->size);
}

static uint64_t dice(uint64_t seed, uint64_t agent, uint64_t sequence)
{
	const uint64_t parts[] = {seed, agent, sequence};
	return sense_hash(parts, sizeof parts, SENSE_HASH_K1);
}

void load_agent_uuid(uint64_t seed, unsigned agent, char out[LOAD_UUID])
{
	const uint64_t high = dice(seed, agent, 0), low = dice(seed, agent, UINT64_MAX);
	snprintf(out, LOAD_UUID, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(high >> 32),
	         (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
	         (unsigned)(low >> 48 & 0x3fff) | 0x8000,
	         (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

static uint64_t time_of(const struct load_state *state, unsigned agent, uint64_t sequence)
{
	return state->begin_us + sequence * state->step_us + agent % 1000;
}

void load_finding_id(const struct load_state *state, unsigned agent, uint64_t sequence, uint8_t id[16])
{
	uint64_t ms = time_of(state, agent, sequence) / 1000;
	const uint64_t rest[] = {dice(state->seed, agent, sequence), dice(~state->seed, agent, sequence)};
	memcpy(id, rest, 16);
	for (unsigned i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
	id[6] = (uint8_t)(0x70 | (id[6] & 0xf));
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
}

/* ---- findings, as agents have them --------------------------------------------------------------------- */

static const struct what {
	const char *type, *severity, *rule, *host, *service, *name, *category, *evidence, *process;
	uint16_t port;
} whats[] = {
    {"service", "low", "ai.service.chat", "claude.ai", "claude", "Claude", "chat",
     "sni:claude.ai (suffix claude.ai, grade B)", "firefox", 443},
    {"service", "low", "ai.service.chat", "chatgpt.com", "chatgpt", "ChatGPT", "chat",
     "sni:chatgpt.com (exact chatgpt.com, grade A)", "chrome", 443},
    {"service", "medium", "ai.service.api", "api.openai.com", "openai-api", "OpenAI API", "api",
     "sni:api.openai.com (exact api.openai.com, grade A)", "python3", 443},
    {"service", "medium", "ai.service.api", "api.anthropic.com", "anthropic-api", "Anthropic API", "api",
     "sni:api.anthropic.com (exact api.anthropic.com, grade A)", "node", 443},
    {"service", "info", "ai.service.coding", "api.githubcopilot.com", "github-copilot", "GitHub Copilot",
     "coding", "sni:api.githubcopilot.com (suffix githubcopilot.com, grade A)", "code", 443},
    {"local_model", "high", "ai.local.model", NULL, "Ollama", "Ollama", NULL,
     "http:POST /api/chat (signal Ollama 100)", "ollama", 11434},
    {"mcp", "high", "ai.mcp.remote", "mcp.example.com", "MCP", "MCP", "mcp", "http:POST /mcp (signal MCP 90)",
     "node", 80},
    {"dns", "info", "ai.dns.query", "gemini.google.com", "gemini", "Gemini", "chat",
     "dns:gemini.google.com (exact, grade A)", NULL, 53},
};

void load_finding_make(const struct load_state *state, unsigned agent, uint64_t sequence,
                       struct sense_finding *out)
{
	static char source[20], dest[20], summary[128], user[16];
	const uint64_t random = dice(state->seed, agent, sequence);
	const struct what *what = &whats[random % (sizeof whats / sizeof *whats)];
	snprintf(source, sizeof source, "10.%u.%u.%u", agent >> 16 & 0xff, agent >> 8 & 0xff, agent & 0xff);
	snprintf(dest, sizeof dest, "203.0.113.%u", (unsigned)(random >> 8 & 0xff));
	snprintf(user, sizeof user, "user%u", agent % 997);
	snprintf(summary, sizeof summary, "%s was used by %s on host-%u", what->name, user, agent);
	*out = (struct sense_finding){.timestamp = time_of(state, agent, sequence),
	                              .type = what->type,
	                              .severity = what->severity,
	                              .rule = what->rule,
	                              .policy = "ai-services",
	                              .source_ip = source,
	                              .source_port = (uint16_t)(1024 + (random >> 16) % 60000),
	                              .dest_ip = dest,
	                              .dest_port = what->port,
	                              .host = what->host,
	                              .service = what->service,
	                              .service_name = what->name,
	                              .category = what->category,
	                              .confidence = (uint8_t)(50 + random % 51),
	                              .evidence_count = 1,
	                              .evidence = {what->evidence},
	                              .process = what->process,
	                              .user = user,
	                              .summary = summary,
	                              .detail_count = 6,
	                              .tag_count = 2,
	                              .tags = {"ai", what->type},
	                              .action = "observe"};
	const struct sense_detail details[] = {
	    {.key = "event", .type = SENSE_DETAIL_STRING, .string = "flow.classified"},
	    {.key = "bytes_up", .type = SENSE_DETAIL_NUMBER, .number = (double)(random >> 20 & 0xfffff)},
	    {.key = "bytes_down", .type = SENSE_DETAIL_NUMBER, .number = (double)(random >> 24 & 0xffffff)},
	    {.key = "ja4", .type = SENSE_DETAIL_STRING, .string = "t13d1516h2_8daaf6152771_d8a2da3f94cd"},
	    {.key = "alpn", .type = SENSE_DETAIL_STRING, .string = "h2,http/1.1"},
	    {.key = "protocol", .type = SENSE_DETAIL_STRING, .string = "TLS"},
	};
	memcpy(out->details, details, sizeof details);
	load_finding_id(state, agent, sequence, out->id);
}

enum sense_status load_ids_write(const struct load_state *state, const char *path, sense_error *err)
{
	char text[LOAD_UUID];
	uint8_t id[16];
	FILE *out = fopen(path, "we");
	if (!out)
		return sense_fail_errno(err, "load", "%s", path);
	for (unsigned agent = 0; agent < state->agents; agent++) {
		const struct load_spool *spool = &state->spools[agent];
		for (uint64_t n = 1; n <= spool->generated; n++) {
			load_finding_id(state, agent, n, id);
			sense_uuid_text(id, text);
			fprintf(out, "%s %s\n", text,
			        n <= spool->acknowledged ? "acknowledged" : "generated");
		}
	}
	bool failed = ferror(out);
	if (fclose(out) || failed)
		return sense_fail_errno(err, "load", "%s", path);
	return SENSE_OK;
}

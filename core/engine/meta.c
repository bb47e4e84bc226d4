/* What is known about a flow: strings shared by reference, structs from free lists. */
#include <string.h>

#include "core/engine/internal.h"

struct sense_flow_meta *sense_meta_of(sense_engine *engine, struct sense_flow *flow)
{
	if (flow->meta)
		return flow->meta;
	struct sense_flow_meta *meta = engine->free_meta;
	if (meta) {
		/* While free, `host` chains the list. */
		engine->free_meta = (struct sense_flow_meta *)(uintptr_t)meta->host;
		memset(meta, 0, sizeof *meta);
	} else {
		meta = sense_arena_alloc(&engine->meta_memory, sizeof *meta);
	}
	if (!meta)
		engine->stats.out_of_memory++;
	flow->meta = meta;
	return meta;
}

void sense_meta_set(sense_engine *engine, const struct sense_str **slot, const char *text)
{
	if (!*text)
		return;
	size_t len = strlen(text);
	if (*slot && (*slot)->len == len && !memcmp((*slot)->text, text, len))
		return;
	const struct sense_str *str = sense_intern_get(engine->strings, text, len);
	if (!str) {
		engine->stats.out_of_memory++;
		return;
	}
	sense_intern_unref(engine->strings, *slot);
	*slot = str;
}

void sense_meta_host(sense_engine *engine, struct sense_flow *flow, const char *host, size_t len,
                     enum sense_host_source source)
{
	struct sense_flow_meta *meta = len ? sense_meta_of(engine, flow) : NULL;
	if (!meta || source < meta->host_source)
		return;
	const struct sense_str *str = sense_intern_get(engine->strings, host, len);
	if (!str) {
		engine->stats.out_of_memory++;
		return;
	}
	bool same = str == meta->host;
	sense_intern_unref(engine->strings, meta->host);
	meta->host = str;
	meta->host_source = (uint8_t)source;
	if (same)
		return;
	const struct sense_host_row *row = sense_catalogue_host(engine->config.catalogue, host, len);
	meta->host_row = row ? (uint16_t)(row->index + 1) : 0;
}

void sense_meta_infer_host(sense_engine *engine, struct sense_flow *flow)
{
	if (flow->meta && flow->meta->host)
		return;
	/* The first sender is the client, unless the capture began in the middle of the flow. */
	for (unsigned client = 0; client < 2; client++) {
		const struct sense_str *name =
		    sense_namecache_find(engine->cache, sense_flow_addr(flow, client),
		                         sense_flow_addr(flow, !client), flow->last_ts);
		if (!name)
			continue;
		sense_meta_host(engine, flow, name->text, name->len, SENSE_HOST_INFERRED);
		return;
	}
}

void sense_meta_free(sense_engine *engine, struct sense_flow *flow)
{
	struct sense_flow_meta *meta = flow->meta;
	if (!meta)
		return;
	const struct sense_str *owned[] = {meta->host,        meta->alpn,      meta->ja3,
	                                   meta->ja4,         meta->http_method, meta->http_path,
	                                   meta->user_agent,  meta->content_type};
	for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
		sense_intern_unref(engine->strings, owned[i]);
	sense_actor_unref(engine, meta->actor);
	meta->host = (const struct sense_str *)(uintptr_t)engine->free_meta;
	engine->free_meta = meta;
	flow->meta = NULL;
}

struct sense_flow_work *sense_work_new(sense_engine *engine)
{
	struct sense_flow_work *work = engine->free_work;
	if (work) {
		engine->free_work = work->next_free;
		memset(work, 0, sizeof *work);
	} else {
		work = sense_arena_alloc(&engine->work_memory, sizeof *work);
	}
	if (!work)
		engine->stats.out_of_memory++;
	return work;
}

void sense_class_free(sense_engine *engine, struct sense_flow_work *work)
{
	if (!work->class_state)
		return;
	engine->config.classifier->flow_free(engine->class_module, work->class_state);
	work->class_state = NULL;
	engine->undecided--;
}

void sense_work_free(sense_engine *engine, struct sense_flow *flow)
{
	struct sense_flow_work *work = flow->work;
	if (!work)
		return;
	sense_class_free(engine, work);
	engine->assemblies -= work->quic != NULL;
	sense_quic_free(work->quic);
	for (unsigned side = 0; side < 2; side++) {
		struct sense_direction *direction = &work->side[side];
		if (work->speech == SENSE_SPEECH_HTTP) {
			sense_http_free(direction->http);
		} else if (work->speech == SENSE_SPEECH_DNS) {
			sense_dns_tcp_free(direction->dns);
		} else if (direction->tls) {
			engine->assemblies--;
			sense_tls_free(direction->tls);
		}
	}
	work->next_free = engine->free_work;
	engine->free_work = work;
	flow->work = NULL;
}

/*
 * One event with everything in it, for tests and benches of the rules core: fields are changed in
 * place, and strings are set with world_str.
 */
#ifndef SENSE_T_WORLD_H
#define SENSE_T_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "core/rules/event.h"

struct world {
	struct sense_service service;
	struct sense_host_row row;
	struct sense_flow_meta meta;
	struct sense_flow flow;
	struct sense_event_names names;
	struct sense_dns dns;
	struct sense_http http;
	struct sense_hello hello;
	struct sense_signal signal;
	struct sense_event event;
};

/* A string as the intern table would hold it; replaces and frees the one before. */
__attribute__((unused)) static void world_str(const struct sense_str **slot, const char *text)
{
	free((void *)(uintptr_t)*slot);
	*slot = NULL;
	if (!text)
		return;
	size_t len = strlen(text);
	struct sense_str *str = malloc(sizeof(*str) + len + 1);
	if (!str)
		abort();
	str->refs = 1;
	str->hash = 0;
	str->len = (uint32_t)len;
	str->memo = 0;
	memcpy(str->text, text, len + 1);
	*slot = str;
}

__attribute__((unused)) static struct sense_addr world_ip4(unsigned a, unsigned b, unsigned c, unsigned d)
{
	struct sense_addr addr = {{[10] = 0xff, [11] = 0xff, (uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d}};
	return addr;
}

static const char *world_protocol(void *module, uint16_t protocol)
{
	(void)module;
	return protocol == 91 ? "TLS" : protocol == 7 ? "HTTP" : "Unknown";
}

/* 10.1.2.3:40000 talks to claude.ai at 160.79.104.10:443 over TLS. */
__attribute__((unused)) static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->service = (struct sense_service){"claude", "Claude", "Anthropic", "chat", "medium"};
	w->row = (struct sense_host_row){.service = &w->service,
					 .domain = "claude.ai",
					 .match = SENSE_MATCH_SUFFIX,
					 .grade = 'B',
					 .conclusive = true};
	w->names.protocol = world_protocol;
	w->flow.key = (struct sense_flow_key){.a = world_ip4(10, 1, 2, 3),
					      .b = world_ip4(160, 79, 104, 10),
					      .port_a = 40000,
					      .port_b = 443,
					      .l4 = 6,
					      .ip_version = 4};
	w->flow.flags = SENSE_FLOW_A_FIRST;
	w->flow.first_ts = UINT64_C(1700000000000000);
	w->flow.last_ts = w->flow.first_ts + 1500000;
	w->flow.packets[0] = 12;
	w->flow.packets[1] = 34;
	w->flow.bytes[0] = 5000;
	w->flow.bytes[1] = 90000;
	w->flow.class_app = 91;
	w->flow.meta = &w->meta;
	world_str(&w->meta.host, "claude.ai");
	world_str(&w->meta.alpn, "h2,http/1.1");
	world_str(&w->meta.ja3, "773906b0efdefa24a7f2b8eb6985bf37");
	world_str(&w->meta.ja4, "t13d1516h2_8daaf6152771_d8a2da3f94cd");
	w->meta.host_source = SENSE_HOST_SNI;
	w->meta.hello_state = SENSE_HELLO_SNI;
	w->meta.tls_version = 0x0304;
	w->event = (struct sense_event){.kind = SENSE_EVENT_FLOW_CLASSIFIED,
					.ts_us = w->flow.last_ts,
					.flow = &w->flow,
					.host_row = &w->row,
					.names = &w->names};
}

__attribute__((unused)) static void world_fini(struct world *w)
{
	const struct sense_str **owned[] = {&w->meta.host,       &w->meta.alpn,        &w->meta.ja3,
					    &w->meta.ja4,        &w->meta.http_method, &w->meta.http_path,
					    &w->meta.user_agent, &w->meta.content_type};
	for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
		world_str(owned[i], NULL);
}

#endif

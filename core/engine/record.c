/* A flow as the record that `replay --flows` prints. */
#include "core/engine/internal.h"

static const char *text_of(const struct sense_event *event, enum sense_field field)
{
	struct sense_value value;
	sense_event_get(event, field, &value);
	return value.type == SENSE_VALUE_STRING ? value.string.text : NULL;
}

void sense_flow_report(sense_engine *engine, const struct sense_flow *flow)
{
	char src[46], dst[46];
	const struct sense_flow_meta *meta = flow->meta;
	struct sense_event event = {.kind = SENSE_EVENT_FLOW_END,
	                            .ts_us = flow->last_ts,
	                            .flow = flow,
	                            .names = &engine->names};
	if (meta && meta->host_row)
		event.host_row = sense_catalogue_row(engine->config.catalogue, meta->host_row - 1u);
	sense_addr_format(sense_flow_addr(flow, 0), src);
	sense_addr_format(sense_flow_addr(flow, 1), dst);
	struct sense_flowrecord record = {
	    .src_ip = src,
	    .src_port = sense_flow_port(flow, 0),
	    .dst_ip = dst,
	    .dst_port = sense_flow_port(flow, 1),
	    .l4 = flow->key.l4,
	    .vlan = flow->key.vlan,
	    .first_ts = flow->first_ts,
	    .last_ts = flow->last_ts,
	    .packets_up = flow->packets[0],
	    .packets_down = flow->packets[1],
	    .bytes_up = flow->bytes[0],
	    .bytes_down = flow->bytes[1],
	    .ndpi_master = text_of(&event, SENSE_FIELD_NDPI_MASTER),
	    .ndpi_app = text_of(&event, SENSE_FIELD_NDPI_APP),
	    .quic = flow->flags & SENSE_FLOW_QUIC,
	};
	if (!record.ndpi_app)
		record.ndpi_app = "Unknown"; /* as nDPI says it */
	if (meta) {
		record.process = text_of(&event, SENSE_FIELD_PROCESS_NAME);
		record.host = text_of(&event, SENSE_FIELD_HOST);
		record.host_source = text_of(&event, SENSE_FIELD_HOST_SOURCE);
		record.alpn = text_of(&event, SENSE_FIELD_ALPN);
		record.ja3 = text_of(&event, SENSE_FIELD_JA3);
		record.ja4 = text_of(&event, SENSE_FIELD_JA4);
		record.tls_version = text_of(&event, SENSE_FIELD_TLS_VERSION);
		record.hello = text_of(&event, SENSE_FIELD_HELLO);
		record.http_method = text_of(&event, SENSE_FIELD_HTTP_METHOD);
		record.http_path = text_of(&event, SENSE_FIELD_HTTP_PATH);
		record.user_agent = text_of(&event, SENSE_FIELD_USER_AGENT);
		record.service = text_of(&event, SENSE_FIELD_SERVICE_ID);
		record.service_category = text_of(&event, SENSE_FIELD_SERVICE_CATEGORY);
	}
	engine->config.sink.flow(engine->config.sink.self, &record);
}

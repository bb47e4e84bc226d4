#include <stdlib.h>

#include "proto/flowrecord.h"
#include "t/tap.h"

static const struct sense_flowrecord full = {.src_ip = "10.1.2.3",
					     .src_port = 40000,
					     .dst_ip = "160.79.104.10",
					     .dst_port = 443,
					     .l4 = 6,
					     .vlan = 4094,
					     .first_ts = UINT64_C(1700000000123456),
					     .last_ts = UINT64_MAX,
					     .packets_up = 1,
					     .packets_down = 200,
					     .bytes_up = 70000,
					     .bytes_down = UINT64_C(5000000000),
					     .ndpi_master = "TLS",
					     .ndpi_app = "Anthropic",
					     .host = "claude.ai",
					     .host_source = "sni",
					     .alpn = "h2,http/1.1",
					     .ja3 = "773906b0efdefa24a7f2b8eb6985bf37",
					     .ja4 = "t13d1516h2_8daaf6152771_d8a2da3f94cd",
					     .tls_version = "TLSv1.3",
					     .hello = "sni",
					     .quic = true,
					     .http_method = "POST",
					     .http_path = "/v1/messages",
					     .user_agent = "curl/8",
					     .service = "claude",
					     .service_category = "chat",
					     .process = "curl"};

static bool decode(const uint8_t *data, size_t len, struct sense_flowrecord *out, const char **why)
{
	static char storage[SENSE_FLOWRECORD_BYTES_MAX];
	uint8_t *copy = malloc(len ? len : 1);
	if (len)
		memcpy(copy, data, len);
	bool good = sense_flowrecord_decode(copy, len, storage, sizeof(storage), out, why);
	free(copy);
	return good;
}

static void texts(const struct sense_flowrecord *got)
{
	is_str(got->src_ip, full.src_ip, "src_ip");
	is_str(got->dst_ip, full.dst_ip, "dst_ip");
	is_str(got->ndpi_master, full.ndpi_master, "ndpi_master");
	is_str(got->ndpi_app, full.ndpi_app, "ndpi_app");
	is_str(got->host, full.host, "host");
	is_str(got->host_source, full.host_source, "host_source");
	is_str(got->alpn, full.alpn, "alpn");
	is_str(got->ja3, full.ja3, "ja3");
	is_str(got->ja4, full.ja4, "ja4");
	is_str(got->tls_version, full.tls_version, "tls_version");
	is_str(got->hello, full.hello, "hello");
	is_str(got->http_method, full.http_method, "http_method");
	is_str(got->http_path, full.http_path, "http_path");
	is_str(got->user_agent, full.user_agent, "user_agent");
	is_str(got->service, full.service, "service");
	is_str(got->service_category, full.service_category, "service_category");
	is_str(got->process, full.process, "process");
}

int main(void)
{
	uint8_t data[1024];
	struct sense_flowrecord got, bare = {.l4 = 17};
	const char *why = "unset";
	size_t len = sense_flowrecord_encode(&full, data, sizeof(data));

	ok(len && decode(data, len, &got, &why) && !why, "there and back in %zu bytes", len);
	texts(&got);
	ok(got.src_port == 40000 && got.dst_port == 443 && got.l4 == 6 && got.vlan == 4094 && got.quic,
	   "small numbers");
	ok(got.first_ts == full.first_ts && got.last_ts == UINT64_MAX && got.bytes_up == 70000 &&
	       got.bytes_down == full.bytes_down && got.packets_up == 1 && got.packets_down == 200,
	   "large numbers");

	unsigned taken = 0;
	for (size_t i = 0; i < len; i++) {
		why = NULL;
		taken += decode(data, i, &got, &why) || !why || sense_flowrecord_encode(&full, data, i);
	}
	is_num(taken, 0, "cut at any byte it is refused");
	data[len] = 0;
	ok(!decode(data, len + 1, &got, &why), "so are bytes behind it");
	ok(!decode((const uint8_t *)"\x81\xa2l4\xcd\1\0", 7, &got, &why), "so is an l4 of 256");
	ok(decode((const uint8_t *)"\x81\xa3new\x81\xc0\xc0", 8, &got, &why), "an unknown key is skipped");

	len = sense_flowrecord_encode(&bare, data, sizeof(data));
	ok(len && decode(data, len, &got, &why) && !got.host && !got.src_ip && got.l4 == 17,
	   "unknown stays unknown");
	return tap_done();
}

/* JSON that is valid whatever the strings hold. */
#include "core/show/json.h"

#include <math.h>

#include "t/tap.h"

static struct sense_buf out;

static const char *string(const char *text)
{
	struct sense_json json = {.out = &out};
	sense_buf_clear(&out);
	sense_json_string(&json, text);
	return sense_buf_str(&out);
}

static const char *number(double value)
{
	struct sense_json json = {.out = &out};
	sense_buf_clear(&out);
	sense_json_number(&json, value);
	return sense_buf_str(&out);
}

#define REPLACED "\xef\xbf\xbd"

static void test_strings(void)
{
	is_str(string("claude.ai"), "\"claude.ai\"", "plain text");
	is_str(string(NULL), "null", "what is not known is null");
	is_str(string(""), "\"\"", "an empty string is not null");
	is_str(string("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"", "quote and backslash are escaped");
	is_str(string("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"", "controls with a short form");
	is_str(string("\x01\x1b[31m\x1f\x7f"), "\"\\u0001\\u001b[31m\\u001f\\u007f\"", "and without one");
	is_str(string("\xc2\x9b""31m"), "\"\\u009b31m\"", "C1 controls too");
	is_str(string("caf\xc3\xa9 \xe4\xbd\xa0 \xf0\x9f\x98\x80"),
	       "\"caf\xc3\xa9 \xe4\xbd\xa0 \xf0\x9f\x98\x80\"", "UTF-8 goes through");
	is_str(string("\xff\xfe"), "\"" REPLACED REPLACED "\"", "bytes that are not UTF-8 are replaced");
	is_str(string("\xc3"), "\"" REPLACED "\"", "a cut sequence at the end");
	is_str(string("\xe2\x82 x"), "\"" REPLACED REPLACED " x\"", "or in the middle");
	is_str(string("\xc0\xaf"), "\"" REPLACED REPLACED "\"", "an overlong form of two bytes");
	is_str(string("\xe0\x80\xaf"), "\"" REPLACED REPLACED REPLACED "\"", "of three");
	is_str(string("\xf0\x80\x80\xaf"), "\"" REPLACED REPLACED REPLACED REPLACED "\"", "of four");
	is_str(string("\xed\xa0\x80"), "\"" REPLACED REPLACED REPLACED "\"", "a surrogate");
	is_str(string("\xf4\x90\x80\x80"), "\"" REPLACED REPLACED REPLACED REPLACED "\"", "beyond U+10FFFF");
}

static void test_numbers(void)
{
	is_str(number(0), "0", "zero");
	is_str(number(-12), "-12", "a negative integer");
	is_str(number(9007199254740992.0), "9007199254740992", "2^53");
	is_str(number(0.5), "0.5", "a fraction");
	is_str(number(1e300), "1e+300", "a large one, in the shortest form that reads back");
	is_str(number((double)NAN), "null", "NaN is null");
	is_str(number(-(double)INFINITY), "null", "so is infinity");
	struct sense_json json = {.out = &out};
	sense_buf_clear(&out);
	sense_json_uint(&json, UINT64_MAX);
	is_str(sense_buf_str(&out), "18446744073709551615", "the largest integer");
}

static void test_nesting(void)
{
	struct sense_json json = {.out = &out};
	sense_buf_clear(&out);
	sense_json_open(&json, '{');
	sense_json_key(&json, "a");
	sense_json_open(&json, '[');
	sense_json_close(&json, ']');
	sense_json_key(&json, "b\"");
	sense_json_open(&json, '[');
	sense_json_bool(&json, true);
	sense_json_bool(&json, false);
	sense_json_open(&json, '{');
	sense_json_close(&json, '}');
	sense_json_string(&json, "x");
	sense_json_close(&json, ']');
	sense_json_key(&json, "c");
	sense_json_uint(&json, 1);
	sense_json_close(&json, '}');
	is_str(sense_buf_str(&out), "{\"a\":[],\"b\\\"\":[true,false,{},\"x\"],\"c\":1}", "commas");
}

static void test_finding(void)
{
	struct sense_finding finding = {
	    .id = {0x01, 0x8f, 0, 0, 0, 1, 0x70, 2, 0x80, 3, 0, 0, 0, 0, 0, 4},
	    .timestamp = 1700000000000042,
	    .type = "service",
	    .severity = "high",
	    .rule = "ai.chat",
	    .source_port = 65535,
	    .confidence = 90,
	    .evidence_count = 1,
	    .evidence = {"sni:claude.ai"},
	    .detail_count = 3,
	    .details = {{"n", SENSE_DETAIL_NUMBER, NULL, 1.5, false},
	                {"s", SENSE_DETAIL_STRING, "x\n", 0, false},
	                {"b", SENSE_DETAIL_BOOL, NULL, 0, true}},
	};
	sense_buf_clear(&out);
	sense_json_finding(&out, &finding);
	is_str(sense_buf_str(&out),
	       "{\"id\":\"018f0000-0001-7002-8003-000000000004\","
	       "\"timestamp\":\"2023-11-14T22:13:20.000042Z\",\"type\":\"service\","
	       "\"severity\":\"high\",\"rule\":\"ai.chat\",\"policy\":null,\"source_ip\":null,"
	       "\"source_port\":65535,\"dest_ip\":null,\"dest_port\":0,\"host\":null,"
	       "\"service\":null,\"category\":null,\"confidence\":90,"
	       "\"evidence\":[\"sni:claude.ai\"],\"process\":null,\"user\":null,\"summary\":null,"
	       "\"details\":{\"n\":1.5,\"s\":\"x\\n\",\"b\":true},\"tags\":[],\"action\":null}\n",
	       "a finding");
	finding.timestamp = UINT64_MAX;
	sense_buf_clear(&out);
	sense_json_finding(&out, &finding);
	ok(strstr(sense_buf_str(&out), "\"9999-12-31T23:59:59.999999Z\""), "a time beyond all years is bounded");
}

static void test_flow(void)
{
	struct sense_flowrecord record = {.src_ip = "2001:db8::1",
	                                  .src_port = 1,
	                                  .dst_ip = "192.0.2.1",
	                                  .dst_port = 443,
	                                  .l4 = 17,
	                                  .first_ts = 5,
	                                  .last_ts = 6,
	                                  .bytes_up = UINT64_C(1) << 60,
	                                  .quic = true,
	                                  .alpn = "h3"};
	sense_buf_clear(&out);
	sense_json_flow(&out, &record);
	is_str(sense_buf_str(&out),
	       "{\"src_ip\":\"2001:db8::1\",\"src_port\":1,\"dst_ip\":\"192.0.2.1\",\"dst_port\":443,"
	       "\"l4\":17,\"vlan\":0,\"first_ts\":5,\"last_ts\":6,\"packets_up\":0,"
	       "\"packets_down\":0,\"bytes_up\":1152921504606846976,\"bytes_down\":0,"
	       "\"ndpi_master\":null,\"ndpi_app\":null,\"host\":null,\"alpn\":\"h3\",\"ja3\":null,"
	       "\"ja4\":null,\"tls_version\":null,\"quic\":true,\"http_method\":null,"
	       "\"http_path\":null,\"user_agent\":null,\"service\":null,\"service_category\":null,"
	       "\"process\":null,\"host_source\":null,\"hello\":null}\n",
	       "a flow");
}

int main(void)
{
	sense_buf_init(&out, 0);
	test_strings();
	test_numbers();
	test_nesting();
	test_finding();
	test_flow();
	sense_buf_fini(&out);
	return tap_done();
}

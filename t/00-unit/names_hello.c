/* core/names/hello.c and ja.c: fields, fingerprints against published values, malformed hellos. */
#include "core/names/hello.h"

#include "t/00-unit/hello_build.h"
#include "t/tap.h"

static struct hello_build b;
static struct sense_hello hello;
static const uint16_t one_cipher[] = {0x1301};

static enum sense_status parse(bool quic)
{
	return sense_hello_parse(b.data, b.len, quic, &hello);
}

static void example(void)
{
	hello_example(&b, "API.OpenAI.com.", 0);
	is_num(parse(false), SENSE_OK, "the example of the JA4 specification");
	is_str(hello.ja4, EXAMPLE_JA4, "its JA4");
	is_str(hello.sni, "api.openai.com", "its name in lower case, without the dot");
	is_str(hello.alpn, "h2,http/1.1", "its ALPN");
	is_num(hello.version, 0x0304, "its version: the highest that is not GREASE");
	ok(hello.has_sni && !hello.ech && !hello.ech_grease_likely, "a name and no ECH");
	is_num(parse(true), SENSE_OK, "the same over QUIC");
	is_str(hello.ja4, "q13d1516h2_8daaf6152771_e5627efa2ab1", "JA4 over QUIC begins with q");
	hello_example(&b, "api.openai.com", 15000);
	parse(false);
	is_str(hello.ja4, EXAMPLE_JA4, "padding up to the limit changes nothing");
}

/* The two examples of the JA3 description. */
static void ja3(void)
{
	static const uint16_t first[] = {47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4};
	static const uint16_t second[] = {4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99};
	static const uint16_t groups[] = {23, 24, 25};
	hello_begin(&b, 769, first, 12);
	hello_ext_sni(&b, "a.example", 9);
	hello_ext_list(&b, 10, groups, 3);
	hello_ext(&b, 11, "\1\0", 2);
	hello_end(&b);
	parse(false);
	is_str(hello.ja3, "ada70206e40642a3e4461f35503241d5", "JA3 with extensions");
	is_num(hello.version, 0x0301, "TLS 1.0 by the legacy version");
	hello_begin(&b, 769, second, 11);
	hello_end(&b);
	b.len -= 2; /* no block of extensions at all */
	b.data[3] = (uint8_t)(b.len - 4);
	is_num(parse(false), SENSE_OK, "no extensions at all");
	is_str(hello.ja3, "de350869b8c85de67a350c8d186f11e6", "JA3 without extensions");
	ok(!strncmp(hello.ja4, "t10i110000_", 11), "JA4 counts of it");
	is_str(hello.ja4 + 24, "000000000000", "no extensions: a hash of zeros");
	ok(!hello.has_sni && !hello.sni[0], "no name");
	hello_begin(&b, 769, one_cipher, 0);
	hello_end(&b);
	parse(false);
	is_str(hello.ja4, "t10i000000_000000000000_000000000000", "nothing offered at all");
}

static void ja4_without_signatures(void)
{
	static const uint16_t types[] = {0x0005, 0x000a, 0x000b, 0x000d, 0x0012, 0x0015, 0x0017,
	                                 0x001b, 0x0023, 0x002b, 0x002d, 0x0033, 0x4469, 0xff01};
	hello_begin(&b, 0x0303, one_cipher, 1);
	for (size_t i = 14; i--;)
		hello_ext(&b, types[i], "", 0);
	hello_end(&b);
	parse(false);
	is_str(hello.ja4 + 24, "6d807ffa2a79", "no signature algorithms: no underscore in the hashed text");
}

static void many_values(void)
{
	static uint16_t ciphers[4000];
	for (size_t i = 0; i < 4000; i++)
		ciphers[i] = (uint16_t)(60000 - i);
	hello_begin(&b, 0x0303, ciphers, 4000);
	for (unsigned i = 0; i < 1500; i++)
		hello_ext(&b, 20000 - i, "", 0);
	hello_end(&b);
	is_num(parse(false), SENSE_OK, "thousands of ciphers and extensions");
	ok(!strncmp(hello.ja4, "t12i999900_", 11), "counts stop at 99");
}

static const char *alpn_of(const char *wire, size_t len)
{
	static char part[3];
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext_alpn(&b, wire, len);
	hello_end(&b);
	if (parse(false))
		return "error";
	memcpy(part, hello.ja4 + 8, 2);
	return part;
}

static void alpn(void)
{
	is_str(alpn_of("\1\xab", 2), "ab", "ALPN of one byte, not alphanumeric");
	is_str(alpn_of("\2\xab\xcd", 3), "ad", "ALPN not alphanumeric");
	is_str(alpn_of("\2\x30\xab", 3), "3b", "ALPN: only the last byte is not alphanumeric");
	is_str(alpn_of("\4\x30\x31\xab\xcd", 5), "3d", "ALPN of four bytes");
	is_str(alpn_of("\4\x30\xab\xcd\x31", 5), "01", "ALPN alphanumeric at both ends");
	is_str(alpn_of("\1h", 2), "hh", "ALPN of one character");
	is_str(alpn_of("", 0), "00", "an empty list");
	is_str(alpn_of("\2\x3a\x3a\2h3", 6), "h3", "GREASE is passed over");
	is_str(hello.alpn, "h3", "in the list too");
	is_str(alpn_of("\5a,b c\2h2", 9), "ac", "odd characters");
	is_str(hello.alpn, "a?b?c,h2", "become question marks");
	char wire[122];
	memset(wire, 'x', sizeof wire);
	wire[0] = 60;
	wire[61] = 60;
	alpn_of(wire, sizeof wire);
	is_num(strlen(hello.alpn), 121, "two long protocols fit");
	char longer[201];
	memset(longer, 'y', sizeof longer);
	longer[0] = 99;
	longer[100] = 100;
	alpn_of(longer, sizeof longer);
	is_num(strlen(hello.alpn), 99, "the list is cut at a comma");
	alpn_of("\11h2", 3);
	is_str(hello.alpn, "", "a protocol longer than the list is none");
}

static const char *sni_of(const char *name, size_t len)
{
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext_sni(&b, name, len);
	hello_end(&b);
	return parse(false) ? "error" : hello.sni;
}

static void names(void)
{
	char name[300];
	memset(name, 'a', sizeof name);
	is_num(strlen(sni_of(name, 255)), 255, "a name of 255 characters");
	is_str(sni_of(name, 256), "", "a longer one is none");
	ok(hello.has_sni, "but the extension was there");
	is_str(sni_of("a b.com", 7), "", "a space is no part of a host name");
	is_str(sni_of("a\0b.com", 7), "", "nor is a NUL");
	is_str(sni_of("\xc3\xa9.com", 6), "", "nor bytes above 127");
	is_str(sni_of("_x-1.Example.COM..", 18), "_x-1.example.com",
	       "underscore, hyphen, digits, dots at the end");
	is_str(sni_of("", 0), "", "an empty name");
	ok(hello.ja4[3] == 'd', "JA4 goes by the extension");
	static const uint8_t second[] = {0, 12, 7, 0, 1, 'x', 0, 0, 5, 'b', '.', 'o', 'r', 'g'};
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext(&b, 0, second, sizeof second);
	hello_end(&b);
	parse(false);
	is_str(hello.sni, "b.org", "a name of another type is passed over");
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext_sni(&b, "first.org", 9);
	hello_ext_sni(&b, "second.org", 10);
	hello_end(&b);
	parse(false);
	is_str(hello.sni, "first.org", "the first of two extensions counts");
}

static void ech(void)
{
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext(&b, 0xfe0d, "\0rest", 5);
	hello_ext_sni(&b, "real.example", 12);
	hello_end(&b);
	parse(false);
	ok(hello.ech && hello.ech_grease_likely, "ECH with some name may be GREASE");
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext_sni(&b, "cloudflare-ech.com", 18);
	hello_ext(&b, 0xfe0d, "\0rest", 5);
	hello_end(&b);
	parse(false);
	ok(hello.ech && !hello.ech_grease_likely, "ECH with the outer name of a provider is real");
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext(&b, 0xfe0d, "\1", 1);
	hello_end(&b);
	parse(false);
	ok(!hello.ech, "ECH of type inner hides nothing here");
	hello_begin(&b, 0x0303, one_cipher, 1);
	hello_ext(&b, 0xffce, "xx", 2);
	hello_end(&b);
	parse(false);
	ok(hello.ech && !hello.ech_grease_likely, "ESNI without a name");
}

static void malformed(void)
{
	hello_example(&b, "api.openai.com", 30);
	unsigned wrong = 0;
	for (size_t len = 0; len < b.len; len++)
		wrong += sense_hello_parse(b.data, len, false, &hello) != SENSE_E_TRUNCATED;
	is_num(wrong, 0, "every shorter part is truncated");
	size_t whole = b.len;
	b.data[b.block + 1]++; /* extensions longer than the message */
	is_num(parse(false), SENSE_E_FORMAT, "extensions beyond the end");
	hello_example(&b, "api.openai.com", 30);
	b.data[0] = 2;
	is_num(parse(false), SENSE_E_FORMAT, "not a ClientHello");
	hello_example(&b, "api.openai.com", 16300);
	is_num(parse(false), SENSE_E_LIMIT, "longer than the limit");
	hello_example(&b, "api.openai.com", 30);
	memset(b.data + whole, 0xff, 10);
	is_num(sense_hello_parse(b.data, whole + 10, false, &hello), SENSE_OK, "bytes behind it are ignored");
}

static void server(void)
{
	uint8_t msg[64] = {2, 0, 0, 46, 3, 3};
	uint8_t *ext = msg + 42;
	memcpy(ext, "\0\6\0\x2b\0\2\3\4", 8);
	is_num(sense_server_hello_version(msg, 50), 0x0304, "a ServerHello of TLS 1.3");
	is_num(sense_server_hello_version(msg, 49), 0, "cut off");
	msg[3] = 38;
	is_num(sense_server_hello_version(msg, 42), 0x0303, "without extensions: the legacy version");
	msg[3] = 46;
	memcpy(ext + 6, "\x7f\x1c", 2);
	is_num(sense_server_hello_version(msg, 50), 0x0304, "a draft of TLS 1.3");
	msg[0] = 1;
	is_num(sense_server_hello_version(msg, 50), 0, "a ClientHello is none");
}

int main(void)
{
	example();
	ja3();
	ja4_without_signatures();
	many_values();
	alpn();
	names();
	ech();
	malformed();
	server();
	return tap_done();
}

/* Builds ClientHellos for the unit tests of core/names. */
#ifndef SENSE_T_HELLO_BUILD_H
#define SENSE_T_HELLO_BUILD_H

#include <stdint.h>
#include <string.h>

struct hello_build {
	uint8_t data[40000];
	size_t len;
	size_t block; /* where the length of the extensions stands */
};

__attribute__((unused)) static void put(struct hello_build *b, const void *data, size_t len)
{
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

__attribute__((unused)) static void put16(struct hello_build *b, unsigned value)
{
	put(b, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

__attribute__((unused)) static void put_list(struct hello_build *b, const uint16_t *values, size_t count)
{
	put16(b, (unsigned)(count * 2));
	for (size_t i = 0; i < count; i++)
		put16(b, values[i]);
}

__attribute__((unused)) static void hello_begin(struct hello_build *b, unsigned version,
                                                const uint16_t *ciphers, size_t count)
{
	static const uint8_t random[33] = "0123456789abcdef0123456789abcdef";
	b->len = 0;
	put(b, "\1\0\0\0", 4);
	put16(b, version);
	put(b, random, 32);
	put(b, "\0", 1);
	put_list(b, ciphers, count);
	put(b, "\1\0", 2);
	b->block = b->len;
	put16(b, 0);
}

__attribute__((unused)) static void hello_ext(struct hello_build *b, unsigned type, const void *body,
                                              size_t len)
{
	put16(b, type);
	put16(b, (unsigned)len);
	put(b, body, len);
}

__attribute__((unused)) static void hello_ext_list(struct hello_build *b, unsigned type,
                                                   const uint16_t *values, size_t count)
{
	put16(b, type);
	put16(b, (unsigned)(count * 2 + 2));
	put_list(b, values, count);
}

__attribute__((unused)) static void hello_ext_sni(struct hello_build *b, const void *name, size_t len)
{
	put16(b, 0);
	put16(b, (unsigned)len + 5);
	put16(b, (unsigned)len + 3);
	put(b, "\0", 1);
	put16(b, (unsigned)len);
	put(b, name, len);
}

/* `names` is the wire form: each protocol behind its length. */
__attribute__((unused)) static void hello_ext_alpn(struct hello_build *b, const void *names, size_t len)
{
	put16(b, 16);
	put16(b, (unsigned)len + 2);
	put16(b, (unsigned)len);
	put(b, names, len);
}

__attribute__((unused)) static void hello_end(struct hello_build *b)
{
	size_t block = b->len - b->block - 2, body = b->len - 4;
	b->data[b->block] = (uint8_t)(block >> 8);
	b->data[b->block + 1] = (uint8_t)block;
	b->data[1] = (uint8_t)(body >> 16);
	b->data[2] = (uint8_t)(body >> 8);
	b->data[3] = (uint8_t)body;
}

/*
 * The example of the JA4 specification, with GREASE put in: 15 ciphers, 16 extensions, "h2".
 * `padding` makes it longer without a change of its fingerprint.
 */
#define EXAMPLE_JA4 "t13d1516h2_8daaf6152771_e5627efa2ab1"

__attribute__((unused)) static void hello_example(struct hello_build *b, const char *name, size_t padding)
{
	static const uint16_t ciphers[] = {0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
	                                   0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
	static const uint16_t signatures[] = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
	static const uint16_t groups[] = {0x3a3a, 29, 23, 24};
	static const uint8_t zeros[20000];
	hello_begin(b, 0x0303, ciphers, 16);
	hello_ext(b, 0xfafa, "", 0);
	hello_ext(b, 0x001b, "", 0);
	hello_ext_sni(b, name, strlen(name));
	hello_ext(b, 0x0033, "", 0);
	hello_ext_alpn(b, "\2h2\10http/1.1", 12);
	hello_ext(b, 0x4469, "", 0);
	hello_ext(b, 0x0017, "", 0);
	hello_ext(b, 0x002d, "", 0);
	hello_ext_list(b, 0x000d, signatures, 8);
	hello_ext(b, 0x0005, "", 0);
	hello_ext(b, 0x0023, "", 0);
	hello_ext(b, 0x0012, "", 0);
	hello_ext(b, 0x002b, "\6\x2a\x2a\3\4\3\3", 7);
	hello_ext(b, 0xff01, "", 0);
	hello_ext(b, 0x000b, "\1\0", 2);
	hello_ext_list(b, 0x000a, groups, 4);
	hello_ext(b, 0x0015, zeros, padding);
	hello_end(b);
}

#endif

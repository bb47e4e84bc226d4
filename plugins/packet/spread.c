#include "spread.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>

enum {
	NET = SKF_NET_OFF, /* loads are relative to the network header, wherever the frame begins */
	V4_FRAGMENT = 6,   /* offsets in the IPv4 header (RFC 791) */
	V4_PROTOCOL = 9,
	V4_FROM = 12,
	V4_TO = 16,
	V6_NEXT = 6, /* and the IPv6 header (RFC 8200) */
	V6_FROM = 8,
	V6_BYTES = 40,
	FRAGMENTED = 0x3fff, /* more fragments, or an offset */
	HASH = 0,            /* scratch memory */
	PORT = 1
};

#define MULTIPLIER 0x9e3779b1u /* 2^32 divided by the golden ratio: spreads what differs in a few bits */

struct program {
	struct sock_filter *out;
	unsigned count;
};

static void put(struct program *program, uint16_t code, uint32_t k)
{
	program->out[program->count++] = (struct sock_filter){.code = code, .k = k};
}

/* A jump forwards whose ends are set by land(): where it goes when it is not taken is the next instruction. */
static unsigned put_unless(struct program *program, uint16_t test, uint32_t k)
{
	put(program, BPF_JMP | test | BPF_K, k);
	return program->count - 1;
}

/* Jump number `from` comes here when its test fails. */
static void land(struct program *program, unsigned from)
{
	program->out[from].jf = (uint8_t)(program->count - from - 1);
}

/* Scratch memory ^= A. */
static void put_mix(struct program *program)
{
	put(program, BPF_LDX | BPF_MEM, HASH);
	put(program, BPF_ALU | BPF_XOR | BPF_X, 0);
	put(program, BPF_ST, HASH);
}

static void put_mix_word(struct program *program, uint32_t offset)
{
	put(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)NET + offset);
	put_mix(program);
}

/* A is the protocol: on to the ports, which begin at X, if it has any; or else over them. */
static void put_ports(struct program *program)
{
	enum { LENGTH = 8 };
	put(program, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP);
	program->out[program->count - 1].jt = 2;
	put(program, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP);
	program->out[program->count - 1].jt = 1;
	put(program, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_SCTP);
	program->out[program->count - 1].jf = LENGTH;
	put(program, BPF_LD | BPF_H | BPF_IND, (uint32_t)NET);
	put(program, BPF_ST, PORT);
	put(program, BPF_LD | BPF_H | BPF_IND, (uint32_t)NET + 2);
	put(program, BPF_LDX | BPF_MEM, PORT);
	put(program, BPF_ALU | BPF_XOR | BPF_X, 0);
	put(program, BPF_LDX | BPF_MEM, HASH);
	put(program, BPF_ALU | BPF_ADD | BPF_X, 0);
	put(program, BPF_ST, HASH);
}

static void put_end(struct program *program, uint32_t first, uint32_t count)
{
	put(program, BPF_LD | BPF_MEM, HASH);
	put(program, BPF_ALU | BPF_MUL | BPF_K, MULTIPLIER);
	put(program, BPF_ALU | BPF_RSH | BPF_K, 16);
	put(program, BPF_ALU | BPF_MOD | BPF_K, count);
	put(program, BPF_ALU | BPF_ADD, first); /* BPF_K: 0, too */
	put(program, BPF_RET | BPF_A, 0);
}

static void put_v4(struct program *program, uint32_t first, uint32_t count)
{
	put_mix_word(program, V4_FROM);
	put_mix_word(program, V4_TO);
	put(program, BPF_LD | BPF_H | BPF_ABS, (uint32_t)NET + V4_FRAGMENT);
	put(program, BPF_ALU | BPF_AND | BPF_K, FRAGMENTED);
	unsigned whole = put_unless(program, BPF_JEQ, 0);
	put(program, BPF_LDX | BPF_MSH | BPF_B, (uint32_t)NET);
	put(program, BPF_LD | BPF_B | BPF_ABS, (uint32_t)NET + V4_PROTOCOL);
	put_ports(program);
	land(program, whole);
	put_end(program, first, count);
}

static void put_v6(struct program *program, uint32_t first, uint32_t count)
{
	for (uint32_t word = 0; word < 8; word++)
		put_mix_word(program, V6_FROM + 4 * word);
	put(program, BPF_LDX | BPF_IMM, V6_BYTES);
	put(program, BPF_LD | BPF_B | BPF_ABS, (uint32_t)NET + V6_NEXT);
	put_ports(program);
	put_end(program, first, count);
}

unsigned spread_build(uint32_t first, uint32_t count, struct sock_filter out[SPREAD_MAX])
{
	struct program program = {.out = out};
	if (count > 1) {
		put(&program, BPF_LD | BPF_IMM, 0);
		put(&program, BPF_ST, HASH);
		put(&program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
		unsigned v4 = put_unless(&program, BPF_JEQ, ETH_P_IP);
		put_v4(&program, first, count);
		land(&program, v4);
		unsigned v6 = put_unless(&program, BPF_JEQ, ETH_P_IPV6);
		put_v6(&program, first, count);
		land(&program, v6);
	}
	/* What is not IP goes together. */
	put(&program, BPF_RET | BPF_K, first);
	return program.count;
}

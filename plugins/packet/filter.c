#include "filter.h"

#include <ctype.h>
#include <linux/bpf_common.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What both headers define has the same values; libpcap's structures go by other names. */
#undef BPF_STMT
#undef BPF_JUMP
#include <pcap/pcap.h>

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "libpcap and the kernel agree");

enum { FILTER_TEXT_MAX = 4096, ETHERTYPE_SERVICE_TAG = 0x88a8 /* IEEE 802.1ad */ };

/* ---- the user's expression ------------------------------------------------------------------- */

/*
 * `vlan` looks for a tag in the frame, where the kernel mostly leaves none: it would match next to nothing,
 * and silently.
 */
static bool speaks_of_vlan(const char *text)
{
	while (*text) {
		size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.:");
		if (word == 4 && !strncmp(text, "vlan", 4))
			return true;
		text += word ? word : 1;
	}
	return false;
}

/* *message: what libpcap says, empty when it compiled. */
static bool compile_part(struct filter_expression *expression, enum filter_part part, const char *text,
                         uint32_t snaplen, char *message)
{
	struct bpf_program program = {0};
	pcap_t *pcap = pcap_open_dead(part == FILTER_RAW ? DLT_RAW : DLT_EN10MB, (int)snaplen);
	bool good = pcap && !pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN);
	snprintf(message, PCAP_ERRBUF_SIZE, "%s", good ? "" : pcap ? pcap_geterr(pcap) : "no memory");
	if (good) {
		size_t size = program.bf_len * sizeof(struct sock_filter);
		expression->code[part] = malloc(size + 1);
		expression->count[part] = expression->code[part] ? program.bf_len : 0;
		if (expression->code[part])
			memcpy(expression->code[part], program.bf_insns, size);
		pcap_freecode(&program);
	}
	if (pcap)
		pcap_close(pcap);
	return good;
}

enum sense_status filter_compile(struct filter_expression *expression, const struct sense_host *host,
                                 const char *text, uint32_t snaplen, sense_error *err)
{
	char message[PCAP_ERRBUF_SIZE], unused[PCAP_ERRBUF_SIZE], tagged[FILTER_TEXT_MAX + 16];
	*expression = (struct filter_expression){0};
	if (!text || !text[strspn(text, " \t\n")])
		return SENSE_OK;
	if (strlen(text) > FILTER_TEXT_MAX)
		return host->fail(err, SENSE_E_LIMIT, "packet", "the filter has more than %u characters",
		                  (unsigned)FILTER_TEXT_MAX);
	if (speaks_of_vlan(text))
		return host->fail(
		    err, SENSE_E_CONFIG, "packet",
		    "filter '%s': 'vlan' cannot be used in a live capture; without it, an expression "
		    "is for frames with and without a tag",
		    text);
	expression->given = true;
	if (!compile_part(expression, FILTER_ETHERNET, text, snaplen, message))
		return host->fail(err, SENSE_E_CONFIG, "packet", "filter '%s': %s", text, message);
	snprintf(tagged, sizeof tagged, "vlan and (%s)", text);
	compile_part(expression, FILTER_TAGGED, tagged, snaplen, unused);
	/* What there is on Ethernet alone does not compile, and cannot be on a device that has none. */
	compile_part(expression, FILTER_RAW, text, snaplen, unused);
	return SENSE_OK;
}

void filter_free(struct filter_expression *expression)
{
	for (unsigned i = 0; i < FILTER_PARTS; i++)
		free(expression->code[i]);
	*expression = (struct filter_expression){0};
}

/* ---- the whole program ----------------------------------------------------------------------- */

struct program {
	struct sock_filter *out;
	unsigned count;
	bool full;
};

static void put(struct program *program, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
	if (program->count < BPF_MAXINSNS)
		program->out[program->count++] = (struct sock_filter){code, if_true, if_false, k};
	else
		program->full = true;
}

static void put_load(struct program *program, int what)
{
	put(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + what), 0, 0);
}

static void put_return(struct program *program, uint32_t bytes)
{
	put(program, BPF_RET | BPF_K, bytes, 0, 0);
}

/* Unequal: the next instruction is passed over. */
static void put_if_equal(struct program *program, uint32_t value)
{
	put(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
}

/* Instructions of a part, with the refusal that stands for one that is missing. */
static unsigned part_size(const struct filter_expression *expression, enum filter_part part)
{
	return expression->count[part] ? expression->count[part] : 1;
}

/* Jumps of libpcap's are relative and stay within their own part. */
static void put_part(struct program *program, const struct filter_expression *expression,
                     enum filter_part part)
{
	const struct sock_filter *code = expression->code[part];
	for (unsigned i = 0; i < expression->count[part]; i++)
		put(program, code[i].code, code[i].k, code[i].jt, code[i].jf);
	if (!expression->count[part])
		put_return(program, 0);
}

/* What goes out at a loopback interface comes in there, too. */
static void put_loopback(struct program *program)
{
	put_load(program, SKF_AD_HATYPE);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 3);
	put_load(program, SKF_AD_PKTTYPE);
	put_if_equal(program, PACKET_OUTGOING);
	put_return(program, 0);
}

static void put_interfaces(struct program *program, const struct filter_want *want)
{
	if (!want->only && !want->count)
		return;
	put_load(program, SKF_AD_IFINDEX);
	for (unsigned i = 0; i < want->count; i++) {
		put_if_equal(program, want->indexes[i]);
		if (want->only) /* to behind the last of these, at two instructions each, and the refusal */
			put(program, BPF_JMP | BPF_JA, (want->count - i - 1) * 2 + 1, 0, 0);
		else
			put_return(program, 0);
	}
	if (want->only)
		put_return(program, 0);
}

/* To the part for a frame: raw IP comes first, then what bears a tag, then the rest. */
static void put_expression(struct program *program, const struct filter_expression *expression)
{
	put_load(program, SKF_AD_HATYPE);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_ETHER, 1, 0);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 1);
	put(program, BPF_JMP | BPF_JA, part_size(expression, FILTER_RAW), 0, 0);
	put_part(program, expression, FILTER_RAW);
	put(program, BPF_LD | BPF_H | BPF_ABS, offsetof(struct ether_header, ether_type), 0, 0);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_VLAN, 2, 0);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_SERVICE_TAG, 1, 0);
	put(program, BPF_JMP | BPF_JA, part_size(expression, FILTER_TAGGED), 0, 0);
	put_part(program, expression, FILTER_TAGGED);
	put_part(program, expression, FILTER_ETHERNET);
}

unsigned filter_build(const struct filter_want *want, struct sock_filter *out)
{
	struct program program = {.out = out};
	put_interfaces(&program, want);
	put_loopback(&program);
	if (want->expression->given)
		put_expression(&program, want->expression);
	else
		put_return(&program, want->snaplen);
	return program.full ? 0 : program.count;
}

#include "filter.h"

#include <ctype.h>
#include <linux/bpf_common.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>

/* What both headers define has the same values; libpcap's structures go by other names. */
#undef BPF_STMT
#undef BPF_JUMP
#include <pcap/pcap.h>

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "libpcap and the kernel agree");

/* ---- the user's expression ------------------------------------------------------------------------------ */

/*
 * `vlan` looks for a tag in the frame, where the kernel leaves none: it would match nothing, and silently.
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
static bool compile_for(int link, const char *text, uint32_t snaplen, struct sock_filter **out, unsigned *count,
                        char *message, size_t room)
{
	struct bpf_program program = {0};
	pcap_t *pcap = pcap_open_dead(link, (int)snaplen);
	*message = '\0';
	if (!pcap) {
		strncat(message, "no memory", room - 1);
		return false;
	}
	bool good = !pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN);
	if (!good)
		strncat(message, pcap_geterr(pcap), room - 1);
	pcap_close(pcap);
	if (!good)
		return false;
	*out = malloc(program.bf_len * sizeof **out + 1);
	*count = program.bf_len;
	if (*out)
		memcpy(*out, program.bf_insns, program.bf_len * sizeof **out);
	else
		strncat(message, "no memory", room - 1);
	pcap_freecode(&program);
	return *out;
}

enum sense_status filter_compile(struct filter_expression *expression, const struct sense_host *host,
                                 const char *text, uint32_t snaplen, sense_error *err)
{
	char message[PCAP_ERRBUF_SIZE], unused[PCAP_ERRBUF_SIZE];
	*expression = (struct filter_expression){0};
	if (!text || !text[strspn(text, " \t\n")])
		return SENSE_OK;
	if (speaks_of_vlan(text))
		return host->fail(err, SENSE_E_CONFIG, "packet",
		                  "filter '%s': 'vlan' cannot be used in a live capture; without it, an expression "
		                  "is for frames with and without a tag",
		                  text);
	if (!compile_for(DLT_EN10MB, text, snaplen, &expression->ethernet, &expression->ethernet_count, message,
	                 sizeof message))
		return host->fail(err, SENSE_E_CONFIG, "packet", "filter '%s': %s", text, message);
	/* What there is on Ethernet alone cannot be on a device that has none. */
	compile_for(DLT_RAW, text, snaplen, &expression->raw, &expression->raw_count, unused, sizeof unused);
	return SENSE_OK;
}

void filter_free(struct filter_expression *expression)
{
	free(expression->ethernet);
	free(expression->raw);
	*expression = (struct filter_expression){0};
}

/* ---- the whole program ------------------------------------------------------------------------------------ */

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

/* Jumps of libpcap's are relative and stay within its own part. */
static void put_all(struct program *program, const struct sock_filter *code, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		put(program, code[i].code, code[i].k, code[i].jt, code[i].jf);
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
	put_load(program, SKF_AD_IFINDEX);
	for (unsigned i = 0; i < want->count; i++) {
		put_if_equal(program, want->indexes[i]);
		/* To behind the last of these, at two instructions each, and the refusal. */
		put(program, BPF_JMP | BPF_JA, (want->count - i - 1) * 2 + 1, 0, 0);
	}
	put_return(program, 0);
}

unsigned filter_build(const struct filter_want *want, struct sock_filter *out)
{
	const struct filter_expression *expression = want->expression;
	struct program program = {.out = out};
	if (want->named)
		put_interfaces(&program, want);
	put_loopback(&program);
	if (!expression->ethernet) {
		put_return(&program, want->snaplen);
		return program.count;
	}
	/* Ethernet and loopback to the first part, over the second. */
	put_load(&program, SKF_AD_HATYPE);
	put(&program, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_ETHER, 1, 0);
	put(&program, BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 1);
	put(&program, BPF_JMP | BPF_JA, expression->raw_count + !expression->raw, 0, 0);
	put_all(&program, expression->raw, expression->raw_count);
	if (!expression->raw)
		put_return(&program, 0);
	put_all(&program, expression->ethernet, expression->ethernet_count);
	return program.full ? 0 : program.count;
}

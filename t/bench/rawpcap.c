/* The floor: a capture read by libpcap, each packet counted, nothing else. */
#include <pcap.h>
#include <stdio.h>

static unsigned long long packets, bytes;

static void on_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	(void)user;
	(void)data;
	packets++;
	bytes += header->len;
}

int main(int argc, char **argv)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = argc == 2 ? pcap_open_offline(argv[1], error) : NULL;
	if (!pcap)
		return 1;
	pcap_loop(pcap, -1, on_packet, NULL);
	pcap_close(pcap);
	printf("%llu packets, %llu bytes\n", packets, bytes);
	return 0;
}

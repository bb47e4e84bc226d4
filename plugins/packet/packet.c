/* The plugin `packet`: live capture on Linux by rings of AF_PACKET. See README.md. */
#include "live.h"
#include "reader.h"

SENSE_PLUGIN_EXPORT = {
    .size = sizeof(struct sense_plugin),
    .name = "packet",
    .version = "1.0",
    .summary = "packets of this host's interfaces as they come: rings of AF_PACKET (Linux)",
    .capture = &reader_ops,
    .live = &live_ops,
    .platform =
	"Linux 4.12 or later: AF_PACKET with TPACKET_V3. Windows: a handle of Npcap for each adapter, the "
	"loopback adapter included. macOS and BSD: a BPF device for each interface. Either gives frames with "
	"the time they came, a filter in the kernel and a count of those dropped; README.md says what of it "
	"`begin` and `open` need.",
};

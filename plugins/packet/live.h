/* The privileged side of the plugin. */
#ifndef PACKET_LIVE_H
#define PACKET_LIVE_H

#include "core/sense_plugin.h"

extern const struct sense_live_ops live_ops;

#endif
